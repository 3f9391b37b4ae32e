//! The printed conditions and the lines to sign on, together at the foot of a page.

use krilla::tagging::{TableHeaderScope, Tag};

use super::{LABEL, NAME_OF_FORM, paragraph};
use crate::issuing::print::flow::{Block, Boxes, FULL, Flow, LEADING, Piece, Rules};
use crate::issuing::print::paper::{Mark, Owner, Paper, Shape, TagId};
use crate::issuing::print::text::{Style, line_of};

/// Printed conditions.
const CLAUSE: f32 = 7.5;
const CLAUSE_LEADING: f32 = 4.1;

const TERMS: &str = ", not negotiable. ";
const RECEIVED: &str = "RECEIVED, subject to individually determined rates or contracts that have been agreed upon in \
    writing between the carrier and shipper, if applicable, otherwise to the rates, classifications and rules that have \
    been established by the carrier and are available to the shipper, on request, and to all applicable state and \
    federal regulations.";
/// The citation has a line of its own, because it may not break.
const LIABILITY: &str = "Liability limitation for loss or damage in this shipment may be applicable. See\n\
    49 U.S.C. 14706(c)(1)(A) and (B).";
const CERTIFICATES: [(&str, &str); 3] = [
    (
        "Shipper",
        "This is to certify that the above named materials are properly classified, packaged, marked and labeled, and \
         are in proper condition for transportation according to the applicable regulations of the DOT.",
    ),
    (
        "Carrier",
        "Carrier acknowledges receipt of packages and required placards. Carrier certifies emergency response \
         information was made available and/or carrier has the DOT emergency response guidebook or equivalent \
         documentation in the vehicle. Property described above is received in good order, except as noted.",
    ),
    ("Consignee", "Property described above is received in good order, except as noted."),
];
const WIDTHS: [f32; 3] = [FULL / 3.0; 3];

pub fn place(flow: &mut Flow) {
    let mut block = Block::rule();
    block.push(clauses(&mut flow.paper));
    block.push(Block::rule());
    block.push(certificates(&mut flow.paper));
    block.push(Block::rule());
    flow.place_at_foot(block);
}

fn clause(tag: TagId, spans: &[(&str, Style)], width: f32) -> Vec<Piece> {
    paragraph(tag, spans, width).into_iter().map(|piece| piece.with_gap(CLAUSE_LEADING)).collect()
}

fn clauses(paper: &mut Paper) -> Block {
    let widths = vec![360.0, 180.0];
    let (bold, text) = (Style::bold(CLAUSE), Style::regular(CLAUSE));
    let mut contents = Vec::new();
    for (index, spans) in
        [vec![(NAME_OF_FORM, bold), (TERMS, bold), (RECEIVED, text)], vec![("Note. ", bold), (LIABILITY, text)]]
            .iter()
            .enumerate()
    {
        contents.push(clause(paper.tag(None, Tag::P), spans, Boxes::inner_width(&widths, index)));
    }
    Boxes { widths, contents, least: 0.0, rules: Rules::All }.block()
}

fn certificates(paper: &mut Paper) -> Block {
    let table = paper.tag(None, Tag::Table);
    let head = paper.tag(Some(table), Tag::THead);
    let row = paper.tag(Some(head), Tag::TR);
    let names = CERTIFICATES.iter().map(|(name, _)| {
        let cell = paper.tag(Some(row), Tag::TH(TableHeaderScope::Column));
        clause(cell, &[(name, Style::bold(CLAUSE))], WIDTHS[0])
    });
    let mut block = boxes(names.collect()).block();
    let body = paper.tag(Some(table), Tag::TBody);
    let row = paper.tag(Some(body), Tag::TR);
    let texts = CERTIFICATES.iter().enumerate().map(|(index, (_, text))| {
        let cell = paper.tag(Some(row), Tag::TD);
        clause(cell, &[(text, Style::regular(CLAUSE))], Boxes::inner_width(&WIDTHS, index))
    });
    block.push(boxes(texts.collect()).block());
    let row = paper.tag(Some(body), Tag::TR);
    let lines = (0..WIDTHS.len()).map(|index| {
        let cell = paper.tag(Some(row), Tag::TD);
        signature(cell, Boxes::inner_width(&WIDTHS, index))
    });
    block.push(boxes(lines.collect()).block());
    block
}

fn boxes(contents: Vec<Vec<Piece>>) -> Boxes {
    Boxes { widths: WIDTHS.to_vec(), contents, least: 0.0, rules: Rules::Between }
}

/// Lines for a signature, and for the name and the date below it.
fn signature(cell: TagId, width: f32) -> Vec<Piece> {
    const DATE_WIDTH: f32 = 54.0;
    const GUTTER: f32 = 8.0;
    let mut name_and_date = line_to_fill(cell, 25.0, "Printed name", 0.0, width - DATE_WIDTH - GUTTER);
    name_and_date.marks.extend(line_to_fill(cell, 25.0, "Date", width - DATE_WIDTH, DATE_WIDTH).marks);
    name_and_date.marks.sort_by_key(|mark| mark.owner != Owner::Layout);
    vec![line_to_fill(cell, 32.0, "Signature", 0.0, width), name_and_date.with_gap(0.0)]
}

/// A line with its label below.
fn line_to_fill(cell: TagId, height: f32, label: &str, x: f32, width: f32) -> Piece {
    let label = line_of(&[(label, Style::regular(LABEL))]);
    let baseline = height + 3.5 + label.height;
    let rule = Shape::Rule { from: (x, height), to: (x + width, height), width: 0.6 };
    let marks = vec![
        Mark { owner: Owner::Layout, shape: rule },
        Mark { owner: Owner::Tag(cell), shape: Shape::Text { x, y: baseline, line: label } },
    ];
    Piece { gap: LEADING, height: baseline, marks }
}
