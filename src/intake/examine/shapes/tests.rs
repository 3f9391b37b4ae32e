use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::kurbo::Rect;
use pdf_writer::{Content, Finish, Name, Rect as PdfRect, Ref, Str};
use std::sync::Arc;

use super::references::{BOLD, BOLD_SLANTED, REGULAR, SLANTED};
use super::*;
use crate::intake::examine::drawing::Part;
use crate::intake::examine::line::Line;
use crate::intake::examine::text;

const DIGITS: &str = "PRT-2014-356789";
/// Sizes in points, and the resolution in dots per inch.
const SIZES: [f32; 5] = [6.0, 8.0, 12.0, 20.0, 40.0];
const RESOLUTION: f64 = 200.0;

/// A page with a number in a standard font, turned by a quarter or not.
fn page(font: &str, size: f32, is_turned: bool) -> Vec<u8> {
    let [catalog, tree, page, content, font_ref] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut pdf = pdf_writer::Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids([page]).count(1);
    pdf.type1_font(font_ref).base_font(Name(font.as_bytes()));
    let mut sheet = pdf.page(page);
    sheet.media_box(PdfRect::new(0.0, 0.0, 612.0, 792.0)).parent(tree).contents(content);
    sheet.resources().fonts().pair(Name(b"F"), font_ref);
    sheet.finish();
    let matrix = if is_turned { [0.0, 1.0, -1.0, 0.0, 300.0, 100.0] } else { [1.0, 0.0, 0.0, 1.0, 60.0, 300.0] };
    let mut drawing = Content::new();
    drawing.begin_text().set_font(Name(b"F"), size).set_text_matrix(matrix);
    drawing.show(Str(DIGITS.as_bytes())).end_text();
    pdf.stream(content, &drawing.finish());
    pdf.finish()
}

/// Compares each digit of the page, as it is drawn, with each digit.
fn compare(pdf: Vec<u8>, shapes: &Shapes, about: &str) {
    let pdf = Pdf::new(Arc::new(pdf)).expect("a PDF");
    let page = pdf.pages().first().expect("a page");
    let text = text::of(page);
    let candidate = text.candidates("PRT").pop().expect("a number");
    let line = Line::of(&candidate.characters, 792.0).expect("a line");
    let part = Part::draw(page, Rect::new(0.0, 0.0, 612.0, 792.0), RESOLUTION / 72.0, f64::MAX);
    for measured in line.characters.iter().filter(|measured| measured.c.is_ascii_digit()) {
        let ink = |x, y| 1.0 - part.at(measured.at(x, y)) / 255.0;
        let shape = Shape::sampled(measured.aspect(), ink);
        let likenesses = shapes.likenesses(&shape);
        let drawn = measured.c.to_digit(10).expect("a digit") as usize;
        for digit in 0..10 {
            let is_same = judge(&likenesses, digit) == Likeness::Same;
            assert_eq!(is_same, digit == drawn, "{about}: {drawn} as {digit}: {likenesses:?}");
        }
    }
}

#[test]
fn each_digit_of_the_standard_fonts_is_itself_at_every_size_and_turn() {
    let shapes = Shapes::new("PRT");
    for font in [REGULAR, BOLD, SLANTED, BOLD_SLANTED].into_iter().flatten() {
        for size in SIZES {
            for is_turned in [false, true] {
                compare(page(font, size, is_turned), &shapes, &format!("{font} {size} {is_turned}"));
            }
        }
    }
}

#[test]
fn every_reference_is_drawn() {
    let shapes = Shapes::new("PRT");
    let characters: String = shapes.0.keys().collect();
    assert_eq!(characters, "0123456789PRTprt");
    // Four upright fonts with four slants, also thinned, five bold ones, and six slanted ones, half of them thinned.
    for (c, references) in &shapes.0 {
        assert_eq!(references.len(), 4 * 4 * 2 + 5 * 4 + 3 * 2 + 3, "{c}");
    }
}

#[test]
fn a_blot_and_an_empty_place_are_no_digit() {
    let shapes = Shapes::new("PRT");
    let stripes = |x: f64, y: f64| f32::from(u8::from((x + y) % 0.2 < 0.1));
    for (name, ink) in [("empty", (|_, _| 0.0) as fn(f64, f64) -> f32), ("full", |_, _| 1.0), ("stripes", stripes)] {
        let likenesses = shapes.likenesses(&Shape::sampled(0.7, ink));
        assert!((0..10).all(|digit| judge(&likenesses, digit) == Likeness::Unknown), "{name}: {likenesses:?}");
    }
}
