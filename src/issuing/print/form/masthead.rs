//! The head of the first page: who issues the bill, what it is, its number and date, and its QR code.

use krilla::geom::Rect;
use krilla::tagging::{BBox, Tag, kind};

use super::{Counter, Field, LABEL, LARGE, NAME_OF_FORM, NORMAL, PREVIEW, paragraph};
use crate::issuing::print::Sheet;
use crate::issuing::print::flow::{Block, FULL, Flow, LEADING, MARGIN, Piece, height_of, stacked};
use crate::issuing::print::paper::{Mark, Owner, Paper, Shape};
use crate::issuing::print::text::{self, Style, line_of};

const COMPANY_WIDTH: f32 = 236.0;
/// Above and right of it, the margin of the page is the quiet zone; left and below, the gutters.
const QR_SIZE: f32 = 72.0;
const GUTTER: f32 = 14.0;
const TITLE_X: f32 = COMPANY_WIDTH + GUTTER;
const TITLE_WIDTH: f32 = FULL - COMPANY_WIDTH - QR_SIZE - 2.0 * GUTTER;

/// Places the masthead. Returns where the number of the page belongs.
pub fn place(flow: &mut Flow, sheet: &Sheet) -> Counter {
    let notices = place_notices(flow, sheet);
    let company = stacked(company(&mut flow.paper, sheet), 0.0, 0.0);
    let (title, counter) = title(&mut flow.paper, sheet);
    let mut block = Block { height: lowest_baseline(&company).max(lowest_baseline(&title)), marks: company };
    block.marks.extend(title);
    if !sheet.qr.is_empty() {
        let owner = Owner::Tag(flow.paper.tag(None, figure(MARGIN + notices)));
        let shape = Shape::Modules { x: FULL - QR_SIZE, y: 0.0, size: QR_SIZE, rows: sheet.qr.clone() };
        block.marks.push(Mark { owner, shape });
        block.height = block.height.max(QR_SIZE);
    }
    flow.place(block);
    if !sheet.draft {
        flow.skip(9.0);
        let address = address(&mut flow.paper, &sheet.url);
        flow.place(address);
    }
    flow.skip(7.0);
    flow.rule();
    Counter { baseline: counter.baseline + MARGIN + notices, ..counter }
}

fn lowest_baseline(marks: &[Mark]) -> f32 {
    let baselines = marks.iter().map(|mark| match &mark.shape {
        Shape::Text { y, .. } => *y,
        _ => 0.0,
    });
    baselines.fold(0.0, f32::max)
}

/// The tag of the QR code, whose top is at `y` on the page.
fn figure(y: f32) -> Tag<kind::Figure> {
    let area = Rect::from_xywh(MARGIN + FULL - QR_SIZE, y, QR_SIZE, QR_SIZE);
    let alt = "QR code: address of this bill of lading in the portal";
    Tag::Figure(Some(alt.into())).with_bbox(area.map(|area| BBox::new(0, area)))
}

/// Places what a reader must not miss: that the bill is void, or not issued. Returns the height.
fn place_notices(flow: &mut Flow, sheet: &Sheet) -> f32 {
    let (head, body) = match (&sheet.void, sheet.draft) {
        (Some(void), _) => ("VOID", format!("{} by {}: {}", void.date, void.by, void.reason)),
        (None, true) => (PREVIEW, "This preview is not a bill of lading.".to_owned()),
        (None, false) => return 0.0,
    };
    const PAD: f32 = 6.0;
    const BELOW: f32 = 10.0;
    let tag = flow.paper.tag(None, Tag::P);
    let spans = [(head, Style::bold(LARGE)), ("  ", Style::bold(LARGE)), (body.as_str(), Style::regular(9.5))];
    let pieces = paragraph(tag, &spans, FULL - 2.0 * PAD);
    let height = height_of(&pieces) + 2.0 * PAD;
    let frame = Shape::Frame { x: 0.0, y: 0.0, width: FULL, height, stroke: 1.6 };
    let mut marks = vec![Mark { owner: Owner::Layout, shape: frame }];
    marks.extend(stacked(pieces, PAD, PAD));
    flow.place(Block { height, marks });
    flow.skip(BELOW);
    height + BELOW
}

fn company(paper: &mut Paper, sheet: &Sheet) -> Vec<Piece> {
    let company = &sheet.company;
    let name = paper.tag(None, Tag::P);
    let mut pieces = paragraph(name, &[(&company.name, Style::bold(14.0))], COMPANY_WIDTH);
    for part in [&company.address, &company.phone, &company.email] {
        if !part.is_empty() {
            pieces.extend(paragraph(paper.tag(None, Tag::P), &[(part, Style::regular(9.5))], COMPANY_WIDTH));
        }
    }
    pieces
}

fn title(paper: &mut Paper, sheet: &Sheet) -> (Vec<Mark>, Counter) {
    const BELOW_TITLE: f32 = 7.0;
    const ABOVE_NUMBER: f32 = 13.0;
    let heading = Piece::line(paper.heading(1, NAME_OF_FORM), line_of(&[(NAME_OF_FORM, Style::bold(17.0))]));
    let kind = match (sheet.draft, &sheet.void, &sheet.official) {
        (true, ..) => "Preview",
        (false, None, None) => "Original",
        (false, ..) => "Copy",
    };
    let tag = paper.tag(None, Tag::P);
    let kind = line_of(&[(kind, Style::regular(NORMAL)), (", not negotiable", Style::regular(NORMAL))]);
    let pieces = vec![heading, Piece::line(tag, kind).with_gap(BELOW_TITLE)];
    let baseline = height_of(&pieces);
    let mut marks = stacked(pieces, TITLE_X, 0.0);
    let date_width = line_of(&[(&sheet.date, Style::regular(NORMAL))]).width;
    let number_width = TITLE_WIDTH - date_width - GUTTER / 2.0;
    let number = Field::new("Number", sheet.number_or_mark()).key().pieces(paper, number_width);
    let date = Field::new("Date", sheet.date.clone()).pieces(paper, f32::INFINITY);
    marks.extend(stacked(number, TITLE_X, baseline + ABOVE_NUMBER));
    marks.extend(stacked(date, TITLE_X + TITLE_WIDTH - date_width, baseline + ABOVE_NUMBER));
    (marks, Counter { right: MARGIN + TITLE_X + TITLE_WIDTH, baseline, tag })
}

/// The address of the bill in the portal, as a link.
fn address(paper: &mut Paper, url: &str) -> Block {
    let paragraph = paper.tag(None, Tag::P);
    let tag = paper.tag(Some(paragraph), Tag::Link);
    let pieces = text::lines(&[(url, Style::regular(LABEL))], FULL).into_iter().map(|line| {
        let (x, y, height) = (FULL - line.width, line.height, line.height);
        let shape = Shape::Link { x, y, line, url: url.to_owned() };
        Piece { gap: LEADING, height, marks: vec![Mark { owner: Owner::Tag(tag), shape }] }
    });
    let pieces: Vec<Piece> = pieces.collect();
    Block { height: height_of(&pieces), marks: stacked(pieces, 0.0, 0.0) }
}
