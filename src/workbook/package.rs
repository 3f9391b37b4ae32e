//! The parts of the package around the sheets: their names, styles and types.

use std::fmt::Write as _;

use super::{MAIN, Sheet};

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// Indexes of the styles of cells in [`STYLES`].
pub(super) const PLAIN_STYLE: u8 = 0;
pub(super) const HEADER_STYLE: u8 = 1;
pub(super) const TIME_STYLE: u8 = 2;
pub(super) const DAY_STYLE: u8 = 3;
pub(super) const HUNDREDTHS_STYLE: u8 = 4;

/// Plain cells, a bold header, times, dates and hundredths. Excel shows the format of the dates alike in every country.
const STYLES: &str = "<numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/>\
    <numFmt numFmtId=\"165\" formatCode=\"yyyy\\-mm\\-dd\"/></numFmts>\
    <fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font>\
    <font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
    <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
    <borders count=\"1\"><border/></borders>\
    <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
    <cellXfs count=\"5\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
    <xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/>\
    <xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
    <xf numFmtId=\"165\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
    <xf numFmtId=\"4\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/></cellXfs>\
    <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles>";

/// Returns name and content of each part, without the XML declaration.
pub(super) fn parts(written: &[Sheet]) -> [(&'static str, String); 5] {
    let (mut sheets, mut relations, mut types, mut filters) = Default::default();
    for (at, sheet) in (1..).zip(written) {
        push_sheet(at, sheet, [&mut sheets, &mut relations, &mut types, &mut filters]);
    }
    let root = format!("<Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>");
    let styles = format!("<Relationship Id=\"rIdStyles\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/>");
    [
        ("xl/styles.xml", format!("<styleSheet xmlns=\"{MAIN}\">{STYLES}</styleSheet>")),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{sheets}</sheets>\
                 <definedNames>{filters}</definedNames></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}{styles}</Relationships>"),
        ),
        ("_rels/.rels", format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{root}</Relationships>")),
        (
            "[Content_Types].xml",
            format!(
                "<Types xmlns=\"{PACKAGE}/content-types\">\
                 <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
                 <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
                 <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/>\
                 <Override PartName=\"/xl/styles.xml\" ContentType=\"{TYPES}.styles+xml\"/>{types}</Types>"
            ),
        ),
    ]
}

/// Appends what the workbook says about a sheet. Excel also wants the filtered range as a hidden name.
fn push_sheet(at: usize, sheet: &Sheet, [sheets, relations, types, filters]: [&mut String; 4]) {
    let name = &sheet.name;
    let _ = write!(sheets, "<sheet name=\"{name}\" sheetId=\"{at}\" r:id=\"rId{at}\"/>");
    let _ = write!(
        relations,
        "<Relationship Id=\"rId{at}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>"
    );
    let _ =
        write!(types, "<Override PartName=\"/xl/worksheets/sheet{at}.xml\" ContentType=\"{TYPES}.worksheet+xml\"/>");
    if let Some((column, row)) = &sheet.filtered_to {
        let _ = write!(
            filters,
            "<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{}\" hidden=\"1\">'{name}'!$A$1:${column}${row}</definedName>",
            at - 1
        );
    }
}
