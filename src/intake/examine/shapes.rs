//! The shapes of digits and letters, and what a drawn character looks like.
//!
//! A shape is a grid over the extent of a character, blurred a little. Two shapes are as alike as their grids correlate.
//! The references are the characters of the standard fonts and of our own typeface, also slanted and with thinner strokes,
//! which covers most fonts of text. docs/intake-survey.md says for which fonts that was measured.

mod references;

use std::collections::BTreeMap;

/// Cells of a grid.
const COLUMNS: usize = 12;
const ROWS: usize = 16;
/// Samples along each side of a cell.
const SAMPLES: usize = 3;
/// Narrower characters, such as a 1, keep their proportions.
const MIN_ASPECT: f64 = 0.5;

/// A character looks like another digit, and not like the one that it should be.
const OTHER: (f32, f32) = (0.7, 0.2);
/// It looks like what it should be: the likeness, and the distance to the next digit. The less alike, the clearer it
/// must be.
const SAME: [(f32, f32); 3] = [(0.6, 0.1), (0.7, 0.06), (0.8, 0.02)];
/// Of letters only the right one is compared.
const SAME_LETTER: f32 = 0.6;

/// The grid of a character, with a mean of 0 and a length of 1.
#[derive(Clone, Debug)]
pub struct Shape([f32; COLUMNS * ROWS]);

impl Shape {
    /// `ink` returns how dark the character is at a point of its extent, from (0, 0) at the upper left to (1, 1).
    /// `aspect` is its width by its height.
    pub fn sampled(aspect: f64, ink: impl Fn(f64, f64) -> f32) -> Self {
        let share = (aspect / MIN_ASPECT).min(1.0);
        let mut cells = [0.0; COLUMNS * ROWS];
        for row in 0..ROWS * SAMPLES {
            let y = (row as f64 + 0.5) / (ROWS * SAMPLES) as f64;
            for column in 0..COLUMNS * SAMPLES {
                let x = ((column as f64 + 0.5) / (COLUMNS * SAMPLES) as f64 - 0.5) / share + 0.5;
                if (0.0..1.0).contains(&x) {
                    cells[row / SAMPLES * COLUMNS + column / SAMPLES] += ink(x, y);
                }
            }
        }
        Self::new(&cells)
    }

    fn new(cells: &[f32; COLUMNS * ROWS]) -> Self {
        let at = |column: usize, row: usize, cells: &[f32; COLUMNS * ROWS]| {
            if column < COLUMNS && row < ROWS { cells[row * COLUMNS + column] } else { 0.0 }
        };
        let (mut across, mut blurred) = ([0.0; COLUMNS * ROWS], [0.0; COLUMNS * ROWS]);
        for (index, cell) in across.iter_mut().enumerate() {
            let (column, row) = (index % COLUMNS, index / COLUMNS);
            *cell = at(column.wrapping_sub(1), row, cells) + 2.0 * cells[index] + at(column + 1, row, cells);
        }
        for (index, cell) in blurred.iter_mut().enumerate() {
            let (column, row) = (index % COLUMNS, index / COLUMNS);
            *cell = at(column, row.wrapping_sub(1), &across) + 2.0 * across[index] + at(column, row + 1, &across);
        }
        let mean = blurred.iter().sum::<f32>() / blurred.len() as f32;
        blurred.iter_mut().for_each(|cell| *cell -= mean);
        let length = blurred.iter().map(|cell| cell * cell).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        blurred.iter_mut().for_each(|cell| *cell /= length);
        Self(blurred)
    }

    /// Returns 1 for the same shape, and about 0 for unrelated ones.
    fn likeness(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(one, other)| one * other).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The character looks like the one that it should be.
    Same,
    /// It looks like another digit.
    Other,
    Unknown,
}

/// The reference shapes of each character.
pub struct Shapes(BTreeMap<char, Vec<Shape>>);

impl Shapes {
    /// Draws the digits, and the letters of the prefix in both cases.
    pub fn new(prefix: &str) -> Self {
        let letters = prefix.chars().flat_map(|c| [c.to_ascii_uppercase(), c.to_ascii_lowercase()]);
        let mut characters: Vec<char> = ('0'..='9').chain(letters).collect();
        characters.sort_unstable();
        characters.dedup();
        Self(references::draw(&characters))
    }

    fn likeness(&self, shape: &Shape, c: char) -> f32 {
        let references = self.0.get(&c).map(Vec::as_slice).unwrap_or_default();
        references.iter().map(|reference| shape.likeness(reference)).fold(-1.0, f32::max)
    }

    /// Returns the likeness to each digit.
    fn likenesses(&self, shape: &Shape) -> [f32; 10] {
        std::array::from_fn(|digit| self.likeness(shape, char::from(b'0' + digit as u8)))
    }

    /// Compares a drawn character with what it should be.
    pub fn compare(&self, shape: &Shape, expected: char) -> Likeness {
        match expected.to_digit(10) {
            Some(digit) => judge(&self.likenesses(shape), digit as usize),
            None if self.likeness(shape, expected) >= SAME_LETTER => Likeness::Same,
            None => Likeness::Unknown,
        }
    }

    /// Whether a shape is a digit, whichever.
    pub fn is_digit(&self, shape: &Shape) -> bool {
        self.likenesses(shape).iter().any(|likeness| *likeness >= OTHER.0)
    }
}

fn judge(likenesses: &[f32; 10], expected: usize) -> Likeness {
    let own = likenesses[expected];
    let others = likenesses.iter().enumerate().filter(|(digit, _)| *digit != expected);
    let other = others.map(|(_, likeness)| *likeness).fold(-1.0, f32::max);
    if SAME.iter().any(|(least, distance)| own >= *least && own - other >= *distance) {
        Likeness::Same
    } else if other >= OTHER.0 && other - own >= OTHER.1 {
        Likeness::Other
    } else {
        Likeness::Unknown
    }
}

#[cfg(test)]
mod tests;
