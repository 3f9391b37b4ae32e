//! The goods and their weights: a table, and what is too long for it.

use std::num::NonZeroU32;

use krilla::tagging::{TableHeaderScope, Tag};

use super::{Field, LABEL, NORMAL, Row, is_crowded, paragraph};
use crate::issuing::print::Sheet;
use crate::issuing::print::flow::{Boxes, FULL, Flow, Piece, Rules};
use crate::issuing::print::paper::{Paper, Shape, TagId};
use crate::issuing::print::text::{Style, line_of};

/// Three columns of text and four of numbers.
const WIDTHS: [f32; 7] = [180.0, 60.0, 75.0, 56.25, 56.25, 56.25, 56.25];
const TEXTS: usize = 3;

pub fn place(flow: &mut Flow, sheet: &Sheet) {
    place_table(flow, sheet);
    for (index, (label, field)) in goods().into_iter().enumerate() {
        if is_crowded(sheet.field(field), WIDTHS[index]) {
            Row::new(vec![(FULL, Field::new(label, sheet.field(field)))]).place(flow);
        }
    }
    Row::new(vec![
        (240.0, Field::new("Chemistry", sheet.field("chemistry"))),
        (187.5, Field::new("Weight basis", sheet.weight_basis)),
        (112.5, Field::new("Scale ticket", sheet.field("scale_ticket"))),
    ])
    .place(flow);
    flow.rule();
}

fn goods() -> [(&'static str, &'static str); TEXTS] {
    [("Description", "product"), ("Pieces", "pieces"), ("Package type", "package_type")]
}

/// Places the table, whole on one page.
fn place_table(flow: &mut Flow, sheet: &Sheet) {
    let columns = [
        ("Description", sheet.field("product")),
        ("Pieces", sheet.field("pieces")),
        ("Package type", sheet.field("package_type")),
        ("Gross lb", sheet.field("gross_lb")),
        ("Tare lb", sheet.field("tare_lb")),
        ("Net lb", sheet.field("net_lb")),
        ("Net tons", &sheet.net_tons),
    ];
    let table = flow.paper.tag(None, Tag::Table);
    let head = flow.paper.tag(Some(table), Tag::THead);
    let row = flow.paper.tag(Some(head), Tag::TR);
    let labels = columns.iter().enumerate().map(|(index, (label, _))| {
        let cell = flow.paper.tag(Some(row), Tag::TH(TableHeaderScope::Column));
        aligned(paragraph(cell, &[(label, Style::semibold(LABEL))], WIDTHS[index]), index, inner_width(index))
    });
    let mut block = boxes(&WIDTHS, labels.collect()).block();
    let body = flow.paper.tag(Some(table), Tag::TBody);
    let row = flow.paper.tag(Some(body), Tag::TR);
    let values = columns.iter().enumerate().map(|(index, (label, value))| {
        let cell = flow.paper.tag(Some(row), Tag::TD);
        let style = if matches!(*label, "Description" | "Net lb" | "Net tons") { Style::bold } else { Style::regular };
        let is_below = index < TEXTS && is_crowded(value, WIDTHS[index]);
        let value = if is_below { "See below" } else { value };
        aligned(paragraph(cell, &[(value, style(NORMAL))], inner_width(index)), index, inner_width(index))
    });
    block.push(boxes(&WIDTHS, values.collect()).block());
    if let Some(official) = official(&mut flow.paper, sheet, body) {
        block.push(official.block());
    }
    flow.place(block);
}

fn boxes(widths: &[f32], contents: Vec<Vec<Piece>>) -> Boxes {
    Boxes { widths: widths.to_vec(), contents, least: 0.0, rules: Rules::All }
}

fn inner_width(index: usize) -> f32 {
    Boxes::inner_width(&WIDTHS, index)
}

/// Moves numbers to the right end of their box.
fn aligned(pieces: Vec<Piece>, column: usize, width: f32) -> Vec<Piece> {
    let moved = |piece: Piece| {
        let line_width = piece.marks.iter().find_map(|mark| match &mark.shape {
            Shape::Text { line, .. } => Some(line.width),
            _ => None,
        });
        let by = if column < TEXTS { 0.0 } else { width - line_width.unwrap_or(width) };
        Piece { marks: piece.marks.into_iter().map(|mark| mark.moved(by, 0.0)).collect(), ..piece }
    };
    pieces.into_iter().map(moved).collect()
}

/// The row of the official weight: what the certified scale of the receiver found, and how far it is from the net weight.
fn official(paper: &mut Paper, sheet: &Sheet, body: TagId) -> Option<Boxes> {
    let official = sheet.official.as_ref()?;
    let row = paper.tag(Some(body), Tag::TR);
    let widths = [WIDTHS[..3].iter().sum(), WIDTHS[3] + WIDTHS[4], WIDTHS[5], WIDTHS[6]];
    let width = |index| Boxes::inner_width(&widths, index);
    let mut spanning = |columns| paper.tag(Some(row), Tag::TD.with_col_span(NonZeroU32::new(columns)));
    let (entered, variance, pounds, tons) = (spanning(3), spanning(2), spanning(1), spanning(1));
    let small = Style::regular(9.0);
    let by = format!("Entered {} by {}", official.date, official.by);
    let mut what = vec![Piece::line(entered, line_of(&[("Official weight", Style::bold(NORMAL))]))];
    what.extend(paragraph(entered, &[(&by, small)], width(0)));
    let difference = format!("Variance\n{} lb, {} %", official.variance_lb, official.variance_percent);
    let contents = vec![
        what,
        aligned(paragraph(variance, &[(&difference, small)], width(1)), 3, width(1)),
        aligned(paragraph(pounds, &[(&official.pounds, Style::bold(NORMAL))], width(2)), 5, width(2)),
        aligned(paragraph(tons, &[(&official.net_tons, Style::bold(NORMAL))], width(3)), 6, width(3)),
    ];
    Some(boxes(&widths, contents))
}
