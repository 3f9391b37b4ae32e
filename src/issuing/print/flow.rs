//! Boxes one below the other, over as many pages as they need.

use super::paper::{HEIGHT, Mark, Owner, Paper, Shape, TagId};
use super::text::Line;

/// The margin of each page.
pub const MARGIN: f32 = 36.0;
/// The width between the margins.
pub const FULL: f32 = 540.0;
/// The height of the slim header on the second page and those after it.
pub const HEADER: f32 = 16.0;
/// The space between a rule and the text.
const PAD: f32 = 5.0;
/// The space above and below the contents of a box.
const PAD_Y: f32 = 5.5;
/// The space between two lines.
pub const LEADING: f32 = 5.8;
/// The rules between boxes, and those between sections.
const THIN: f32 = 0.5;
const THICK: f32 = 1.2;

/// A line of a box, or another part of its contents that stays whole.
pub struct Piece {
    /// The space above, unless it is the first one.
    pub gap: f32,
    pub height: f32,
    /// Positions are relative to the top left corner of the piece.
    pub marks: Vec<Mark>,
}

impl Piece {
    /// A line of text.
    pub fn line(tag: TagId, line: Line) -> Self {
        let height = line.height;
        Self {
            gap: LEADING,
            height,
            marks: vec![Mark { owner: Owner::Tag(tag), shape: Shape::Text { x: 0.0, y: height, line } }],
        }
    }

    pub fn with_gap(self, gap: f32) -> Self {
        Self { gap, ..self }
    }
}

/// Returns the height of pieces one below the other.
pub fn height_of(pieces: &[Piece]) -> f32 {
    pieces.iter().enumerate().map(|(index, piece)| piece.height + if index > 0 { piece.gap } else { 0.0 }).sum()
}

/// Returns the marks of pieces one below the other.
pub fn stacked(pieces: Vec<Piece>, x: f32, mut y: f32) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        y += if index > 0 { piece.gap } else { 0.0 };
        marks.extend(piece.marks.into_iter().map(|mark| mark.moved(x, y)));
        y += piece.height;
    }
    marks
}

/// Marks that stay together on one page.
pub struct Block {
    pub height: f32,
    /// Positions are relative to the top left corner of the block.
    pub marks: Vec<Mark>,
}

impl Block {
    /// Adds a block below.
    pub fn push(&mut self, below: Self) {
        self.marks.extend(below.marks.into_iter().map(|mark| mark.moved(0.0, self.height)));
        self.height += below.height;
    }

    /// A rule over the whole width. It takes no room.
    pub fn rule() -> Self {
        Self { height: 0.0, marks: vec![across(0.0, THICK)] }
    }
}

/// Where a box has its rules.
#[derive(Clone, Copy, PartialEq)]
pub enum Rules {
    All,
    NoneBelow,
    /// Between the boxes alone.
    Between,
}

/// One row of boxes. They are open at the sides, so that their text stands flush with the letterhead.
pub struct Boxes {
    pub widths: Vec<f32>,
    pub contents: Vec<Vec<Piece>>,
    /// The height of the contents at least, so that an empty box can be filled in by hand.
    pub least: f32,
    pub rules: Rules,
}

impl Boxes {
    /// Returns the width that the contents of a box have.
    pub fn inner_width(widths: &[f32], index: usize) -> f32 {
        let pads = usize::from(index > 0) + usize::from(index + 1 < widths.len());
        widths[index] - PAD * pads as f32
    }

    fn height(&self) -> f32 {
        self.contents.iter().map(|pieces| height_of(pieces)).fold(self.least, f32::max) + 2.0 * PAD_Y
    }

    pub fn block(self) -> Block {
        let height = self.height();
        let mut marks = Vec::new();
        if self.rules != Rules::Between {
            marks.push(across(0.0, THIN));
        }
        if self.rules == Rules::All {
            marks.push(across(height, THIN));
        }
        let mut x = 0.0;
        let mut texts = Vec::new();
        for (index, (pieces, width)) in self.contents.into_iter().zip(&self.widths).enumerate() {
            if index > 0 {
                let shape = Shape::Rule { from: (x, 0.0), to: (x, height), width: THIN };
                marks.push(Mark { owner: Owner::Layout, shape });
            }
            texts.extend(stacked(pieces, x + if index > 0 { PAD } else { 0.0 }, PAD_Y));
            x += width;
        }
        marks.extend(texts);
        Block { height, marks }
    }

    /// Takes from each box the pieces that fit into `room`.
    fn split(&mut self, room: f32) -> Self {
        let room = room - 2.0 * PAD_Y;
        let contents = self.contents.iter_mut().map(|pieces| {
            let bottoms = pieces.iter().enumerate().scan(0.0, |bottom, (index, piece)| {
                *bottom += piece.height + if index > 0 { piece.gap } else { 0.0 };
                Some(*bottom)
            });
            let fitting = bottoms.take_while(|bottom| *bottom <= room).count();
            let rest = pieces.split_off(fitting);
            std::mem::replace(pieces, rest)
        });
        Self { contents: contents.collect(), widths: self.widths.clone(), least: 0.0, rules: self.rules }
    }

    fn is_empty(&self) -> bool {
        self.contents.iter().all(Vec::is_empty)
    }
}

/// The pages while they are filled, from the top.
pub struct Flow {
    pub paper: Paper,
    y: f32,
}

impl Flow {
    pub fn new() -> Self {
        Self { paper: Paper::new(), y: MARGIN }
    }

    fn room(&self) -> f32 {
        HEIGHT - MARGIN - self.y
    }

    fn begin_page(&mut self) {
        self.paper.pages.push(Vec::new());
        self.y = MARGIN + HEADER;
    }

    pub fn skip(&mut self, height: f32) {
        self.y += height;
    }

    pub fn rule(&mut self) {
        self.place(Block::rule());
    }

    /// Places a block below the one before it, or on a new page.
    pub fn place(&mut self, block: Block) {
        if block.height > self.room() + 0.01 {
            self.begin_page();
        }
        self.put(block);
    }

    /// Places a block at the foot of the page, or of a new one.
    pub fn place_at_foot(&mut self, block: Block) {
        if block.height > self.room() + 0.01 {
            self.begin_page();
        }
        self.y += (self.room() - block.height).max(0.0);
        self.put(block);
    }

    /// Places boxes that may continue on the next page.
    pub fn place_in_parts(&mut self, mut boxes: Boxes) {
        let mut is_new_page = false;
        while boxes.height() > self.room() + 0.01 {
            let part = boxes.split(self.room());
            if !part.is_empty() {
                self.put(part.block());
            } else if is_new_page {
                break;
            }
            if boxes.is_empty() {
                return;
            }
            self.begin_page();
            (boxes.least, is_new_page) = (0.0, true);
        }
        self.put(boxes.block());
    }

    fn put(&mut self, block: Block) {
        let marks = block.marks.into_iter().map(|mark| mark.moved(MARGIN, self.y));
        if let Some(page) = self.paper.pages.last_mut() {
            page.extend(marks);
        }
        self.y += block.height;
    }
}

/// A rule from margin to margin.
fn across(y: f32, width: f32) -> Mark {
    Mark { owner: Owner::Layout, shape: Shape::Rule { from: (0.0, y), to: (FULL, y), width } }
}
