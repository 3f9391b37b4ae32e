//! The straight bill of lading, on US Letter: what stands where, in which size, and with which words.
//!
//! Values are text and stay text: nothing in them is markup. What is too long for its box moves below it or continues
//! on the next page.

mod goods;
mod masthead;
mod signatures;

use krilla::metadata::{DateTime, Metadata};
use krilla::tagging::Tag;

use super::flow::{Boxes, FULL, Flow, HEADER, LEADING, MARGIN, Piece, Rules};
use super::paper::{Mark, Owner, Paper, Shape, Stamp, TagId};
use super::text::{self, Style, line_of};
use super::{PrintError, Sheet};

const NAME_OF_FORM: &str = "Straight bill of lading";
const PREVIEW: &str = "PREVIEW – NOT ISSUED";
/// Labels.
const LABEL: f32 = 8.0;
/// What was filled in.
const NORMAL: f32 = 10.5;
/// What a dock must read at arm's length: number, SCAC, ship to, PO.
const LARGE: f32 = 12.0;

/// Returns the PDF. The same sheet gives the same bytes.
pub fn pdf(sheet: &Sheet) -> Result<Vec<u8>, PrintError> {
    let mut flow = Flow::new();
    let counter = masthead::place(&mut flow, sheet);
    place_parties(&mut flow, sheet);
    place_carrier_and_order(&mut flow, sheet);
    goods::place(&mut flow, sheet);
    place_terms(&mut flow, sheet);
    signatures::place(&mut flow);
    number_pages(&mut flow.paper, sheet, counter);
    flow.paper.stamp = stamp(sheet);
    flow.paper.write(metadata(sheet)).map_err(|error| PrintError(error.to_string()))
}

fn metadata(sheet: &Sheet) -> Metadata {
    let title = if sheet.draft { "Bill of lading, preview".into() } else { format!("Bill of lading {}", sheet.number) };
    let date =
        DateTime::new(u16::try_from(sheet.year).unwrap_or_default()).month(sheet.month as u8).day(sheet.day as u8);
    Metadata::new()
        .title(title)
        .authors(vec![sheet.company.name.clone()])
        .language("en-US".into())
        .creator("PrimeTrade".into())
        .document_id(sheet.number.clone())
        .creation_date(date)
}

fn stamp(sheet: &Sheet) -> Option<Stamp> {
    let stamp = |words, size, degrees| Some(Stamp { words: line_of(&[(words, Style::bold(size))]), degrees });
    match (sheet.draft, &sheet.void) {
        (true, _) => stamp(PREVIEW, 60.0, -52.0),
        (false, Some(_)) => stamp("VOID", 190.0, -38.0),
        (false, None) => None,
    }
}

/// Where the first page says how many there are: the right end of a baseline, and the paragraph.
struct Counter {
    right: f32,
    baseline: f32,
    tag: TagId,
}

/// Writes the number of each page once their count is known.
fn number_pages(paper: &mut Paper, sheet: &Sheet, counter: Counter) {
    let count = paper.pages.len();
    for (index, page) in paper.pages.iter_mut().enumerate() {
        let numbered = |size| line_of(&[(&format!("Page {} of {count}", index + 1), Style::regular(size))]);
        let mut write = |owner, line: text::Line, x, y| page.push(Mark { owner, shape: Shape::Text { x, y, line } });
        if index == 0 {
            let line = numbered(NORMAL);
            let x = counter.right - line.width;
            write(Owner::Tag(counter.tag), line, x, counter.baseline);
            continue;
        }
        let y = MARGIN + HEADER - 6.0;
        let void = if sheet.void.is_some() { " VOID" } else { "" };
        write(
            Owner::Header,
            line_of(&[(sheet.number_or_mark(), Style::bold(8.5)), (void, Style::bold(8.5))]),
            MARGIN,
            y,
        );
        let form = line_of(&[(NAME_OF_FORM, Style::regular(8.5)), (", not negotiable", Style::regular(8.5))]);
        let x = MARGIN + (FULL - form.width) / 2.0;
        write(Owner::Header, form, x, y);
        let line = numbered(8.5);
        let x = MARGIN + FULL - line.width;
        write(Owner::Header, line, x, y);
    }
}

/// A label above what was filled in.
#[derive(Default)]
struct Field<'a> {
    label: &'a str,
    value: String,
    /// A dock must read it at arm's length.
    is_key: bool,
    /// The label is a heading.
    is_head: bool,
}

impl<'a> Field<'a> {
    fn new(label: &'a str, value: impl Into<String>) -> Self {
        Self { label, value: value.into(), ..Self::default() }
    }

    fn key(self) -> Self {
        Self { is_key: true, ..self }
    }

    fn head(self) -> Self {
        Self { is_head: true, ..self }
    }

    fn pieces(&self, paper: &mut Paper, width: f32) -> Vec<Piece> {
        let label = line_of(&[(self.label, Style::semibold(LABEL)), (" ", Style::semibold(LABEL))]);
        let style = if self.is_key { Style::bold(LARGE) } else { Style::regular(NORMAL) };
        if !self.is_head {
            let tag = paper.tag(None, Tag::P);
            let mut pieces = vec![Piece::line(tag, label)];
            pieces.extend(paragraph(tag, &[(&self.value, style)], width));
            return pieces;
        }
        let mut pieces = vec![Piece::line(paper.heading(2, self.label), label)];
        if !self.value.is_empty() {
            pieces.extend(paragraph(paper.tag(None, Tag::P), &[(&self.value, style)], width));
        }
        pieces
    }

    /// Whether the value takes more than about four lines.
    fn is_crowded(&self, width: f32) -> bool {
        is_crowded(&self.value, width)
    }

    /// Whether the value is so long that it might not fit on any page.
    fn is_long(&self) -> bool {
        self.value.len() > 400 || self.value.matches('\n').count() > 20
    }
}

fn is_crowded(value: &str, width: f32) -> bool {
    value.len() as f32 * 5.5 > 4.0 * width
}

/// Returns the lines of a paragraph, or nothing for an empty text.
fn paragraph(tag: TagId, spans: &[(&str, Style)], width: f32) -> Vec<Piece> {
    if spans.iter().all(|(text, _)| text.is_empty()) {
        return Vec::new();
    }
    text::lines(spans, width).into_iter().map(|line| Piece::line(tag, line)).collect()
}

/// A row of boxes with their widths. A crowded one moves below the others and gets the whole width.
struct Row<'a> {
    fields: Vec<(f32, Field<'a>)>,
    stacks: bool,
    least: f32,
    rules: Rules,
}

impl<'a> Row<'a> {
    fn new(fields: Vec<(f32, Field<'a>)>) -> Self {
        Self { fields, stacks: true, least: 18.0, rules: Rules::All }
    }

    fn place(self, flow: &mut Flow) {
        let (below, mut here): (Vec<_>, Vec<_>) =
            self.fields.into_iter().partition(|(width, field)| self.stacks && field.is_crowded(*width));
        let used: f32 = here.iter().map(|(width, _)| width).sum();
        if let Some((width, _)) = here.last_mut() {
            *width += FULL - used;
            place_fields(flow, here, self.least, self.rules);
        }
        for (_, field) in below {
            place_fields(flow, vec![(FULL, field)], self.least, self.rules);
        }
    }
}

fn place_fields(flow: &mut Flow, fields: Vec<(f32, Field<'_>)>, least: f32, rules: Rules) {
    let is_long = fields.iter().any(|(_, field)| field.is_long());
    let (widths, fields): (Vec<f32>, Vec<Field<'_>>) = fields.into_iter().unzip();
    let pieces =
        |(index, field): (usize, &Field<'_>)| field.pieces(&mut flow.paper, Boxes::inner_width(&widths, index));
    let contents = fields.iter().enumerate().map(pieces).collect();
    let boxes = Boxes { contents, least, rules, widths };
    if is_long { flow.place_in_parts(boxes) } else { flow.place(boxes.block()) }
}

fn place_parties(flow: &mut Flow, sheet: &Sheet) {
    let care_of = sheet.field("care_of");
    let from = sheet.field("ship_from").to_owned()
        + &if care_of.is_empty() { String::new() } else { format!("\nc/o {care_of}") };
    let (ship_from, ship_to) =
        (Field::new("Ship from", from).head(), Field::new("Ship to", sheet.field("ship_to")).key().head());
    let mut fields = vec![(180.0, ship_from), (360.0, ship_to)];
    if !sheet.field("bill_to").is_empty() {
        fields[1].0 = 210.0;
        fields.push((150.0, Field::new("Bill freight to (third party)", sheet.field("bill_to")).head()));
    }
    Row { stacks: false, least: 58.0, ..Row::new(fields) }.place(flow);
    flow.rule();
}

fn place_carrier_and_order(flow: &mut Flow, sheet: &Sheet) {
    Row::new(vec![
        (180.0, Field::new("Carrier", sheet.field("carrier")).head()),
        (60.0, Field::new("SCAC", sheet.field("carrier_scac")).key()),
        (75.0, Field::new("Truck", sheet.field("truck_number"))),
        (75.0, Field::new("Trailer", sheet.field("trailer_number"))),
        (150.0, Field::new("Driver", sheet.field("driver_name"))),
    ])
    .place(flow);
    Row::new(vec![(FULL, Field::new("Seals", sheet.field("seal_numbers")))]).place(flow);
    flow.rule();
    Row::new(vec![
        (180.0, Field::new("Customer", sheet.customer.clone()).head()),
        (135.0, Field::new("Customer PO", sheet.field("customer_po")).key()),
        (75.0, Field::new("Release", sheet.field("release_number"))),
        (150.0, Field::new("Lot", sheet.field("lot"))),
    ])
    .place(flow);
    flow.rule();
}

/// What can be ticked: the value of the field and the words beside the box.
type Options = &'static [(&'static str, &'static str)];

const FREIGHT_TERMS: [(&str, &str); 3] =
    [("prepaid", "Prepaid"), ("collect", "Collect"), ("third-party", "Third party")];
const BY: [(&str, &str); 2] = [("shipper", "By shipper"), ("driver", "By driver")];

fn place_terms(flow: &mut Flow, sheet: &Sheet) {
    let widths = vec![240.0, 150.0, 150.0];
    let choices: [(&str, &str, Options); 3] = [
        ("Freight terms", "freight_terms", &FREIGHT_TERMS),
        ("Trailer loaded", "trailer_loaded_by", &BY),
        ("Freight counted", "freight_counted_by", &BY),
    ];
    let contents = choices.map(|(label, field, options)| choice(&mut flow.paper, label, sheet.field(field), options));
    flow.place(Boxes { widths, contents: contents.into(), least: 18.0, rules: Rules::All }.block());
    let instructions = Field::new("Special instructions", sheet.field("special_instructions")).head();
    Row { least: 36.0, rules: Rules::NoneBelow, ..Row::new(vec![(FULL, instructions)]) }.place(flow);
}

/// Checkboxes. The mark is a letter X, so that text copied from the PDF shows it too.
fn choice(paper: &mut Paper, label: &str, chosen: &str, options: Options) -> Vec<Piece> {
    const SIZE: f32 = 9.0;
    /// How far a checkbox is below the baseline.
    const DEPTH: f32 = 1.2;
    let heading = Piece::line(paper.heading(2, label), line_of(&[(label, Style::semibold(LABEL))]));
    let tag = paper.tag(None, Tag::P);
    let (mut frames, mut texts, mut x) = (Vec::new(), Vec::new(), 0.0);
    for (value, words) in options {
        frames.push(Mark {
            owner: Owner::Layout,
            shape: Shape::Frame { x, y: 0.0, width: SIZE, height: SIZE, stroke: 0.8 },
        });
        let mut write = |line: text::Line, x, y| {
            texts.push(Mark { owner: Owner::Tag(tag), shape: Shape::Text { x, y, line } });
        };
        if *value == chosen {
            let mark = line_of(&[("X", Style::bold(NORMAL))]);
            let (left, baseline) = (x + (SIZE - mark.width) / 2.0, (SIZE + mark.height) / 2.0);
            write(mark, left, baseline);
        }
        let words = line_of(&[(words, Style::regular(NORMAL))]);
        let width = words.width;
        write(words, x + SIZE + 4.0, SIZE - DEPTH);
        x += SIZE + 4.0 + width + 14.0;
    }
    frames.extend(texts);
    vec![heading, Piece { gap: LEADING, height: SIZE, marks: frames }]
}
