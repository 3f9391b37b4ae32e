//! Pages, what is marked on them, and their tags: from marks with positions to a PDF (PDF/UA-1).
//!
//! Positions and lengths are in points (1/72 inch), from the top left corner. Every mark belongs to a tag, or is an
//! artifact that a screen reader skips.

use krilla::action::LinkAction;
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::error::KrillaError;
use krilla::geom::{Path, PathBuilder, Point, Rect, Transform};
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::{Page, PageSettings};
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Node, SpanTag, TagGroup, TagKind, TagTree};
use krilla::{Document, SerializeSettings};

use super::text::Line;

/// US Letter.
pub const WIDTH: f32 = 612.0;
pub const HEIGHT: f32 = 792.0;

/// A tag of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagId(usize);

struct Tagged {
    kind: TagKind,
    children: Vec<Child>,
}

enum Child {
    Tag(TagId),
    Leaf(Node),
}

/// What a mark belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Owner {
    Tag(TagId),
    /// A rule or a box.
    Layout,
    /// The header of a page.
    Header,
}

pub struct Mark {
    pub owner: Owner,
    pub shape: Shape,
}

pub enum Shape {
    /// A line of text from the left end of its baseline.
    Text { x: f32, y: f32, line: Line },
    /// A straight line of a given width.
    Rule { from: (f32, f32), to: (f32, f32), width: f32 },
    /// The outline of a rectangle, from its top left corner.
    Frame { x: f32, y: f32, width: f32, height: f32, stroke: f32 },
    /// The dark modules of a QR code.
    Modules { x: f32, y: f32, size: f32, rows: Vec<String> },
    /// A line of text as a link.
    Link { x: f32, y: f32, line: Line, url: String },
}

impl Shape {
    /// Moves the mark.
    fn shift(&mut self, by_x: f32, by_y: f32) {
        match self {
            Self::Text { x, y, .. }
            | Self::Frame { x, y, .. }
            | Self::Modules { x, y, .. }
            | Self::Link { x, y, .. } => {
                (*x, *y) = (*x + by_x, *y + by_y);
            }
            Self::Rule { from, to, .. } => {
                (*from, *to) = ((from.0 + by_x, from.1 + by_y), (to.0 + by_x, to.1 + by_y));
            }
        }
    }
}

impl Mark {
    pub fn moved(mut self, by_x: f32, by_y: f32) -> Self {
        self.shape.shift(by_x, by_y);
        self
    }
}

/// Outlined words across each page, so that the text beneath stays readable, even after a fax machine turns grays black
/// or white.
pub struct Stamp {
    pub words: Line,
    /// Clockwise.
    pub degrees: f32,
}

/// The pages and tags of one document.
#[derive(Default)]
pub struct Paper {
    pub pages: Vec<Vec<Mark>>,
    tags: Vec<Tagged>,
    roots: Vec<TagId>,
    /// The headings: level, title, tag.
    headings: Vec<(u16, String, TagId)>,
    pub stamp: Option<Stamp>,
}

impl Paper {
    /// One empty page.
    pub fn new() -> Self {
        Self { pages: vec![Vec::new()], ..Self::default() }
    }

    /// Adds a tag below another one, or at the top.
    pub fn tag(&mut self, parent: Option<TagId>, kind: impl Into<TagKind>) -> TagId {
        let id = TagId(self.tags.len());
        self.tags.push(Tagged { kind: kind.into(), children: Vec::new() });
        match parent {
            Some(parent) => self.tags[parent.0].children.push(Child::Tag(id)),
            None => self.roots.push(id),
        }
        id
    }

    /// Adds the tag of a heading, which the outline lists.
    pub fn heading(&mut self, level: u16, title: &str) -> TagId {
        let number = std::num::NonZeroU16::new(level).unwrap_or(std::num::NonZeroU16::MIN);
        let id = self.tag(None, krilla::tagging::Tag::Hn(number, Some(title.to_owned())));
        self.headings.push((level, title.to_owned(), id));
        id
    }

    /// Returns the PDF.
    pub fn write(mut self, metadata: Metadata) -> Result<Vec<u8>, KrillaError> {
        let builder = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1);
        let Ok(configuration) = builder.finish() else { unreachable!("one validator agrees with itself") };
        let settings = SerializeSettings { configuration, no_device_cs: true, ..SerializeSettings::default() };
        let mut document = Document::new_with(settings);
        let mut places = Vec::new();
        for (number, marks) in std::mem::take(&mut self.pages).into_iter().enumerate() {
            let Some(settings) = PageSettings::from_wh(WIDTH, HEIGHT) else { unreachable!("a constant") };
            let mut page = document.start_page_with(settings);
            places.extend(marks.iter().filter_map(|mark| place_of(mark).map(|(tag, y)| (tag, number, y))));
            self.draw(&mut page, &marks);
            page.finish();
        }
        document.set_outline(self.outline(&places));
        document.set_metadata(metadata);
        let mut tree = TagTree::new().with_lang(Some("en-US".into()));
        let mut tags: Vec<Option<Tagged>> = self.tags.into_iter().map(Some).collect();
        self.roots.iter().filter_map(|root| group(&mut tags, *root)).for_each(|group| tree.push(group));
        document.set_tag_tree(tree);
        document.finish()
    }

    fn draw(&mut self, page: &mut Page<'_>, marks: &[Mark]) {
        let mut links = Vec::new();
        let mut surface = page.surface();
        for marks in marks.chunk_by(|a, b| a.owner == b.owner) {
            let Some(owner) = marks.first().map(|mark| mark.owner) else { continue };
            let artifact = |kind| ContentTag::Artifact(Artifact::with_kind(kind));
            let leaf = surface.start_tagged(match owner {
                Owner::Tag(_)
                    if marks.iter().all(|mark| matches!(mark.shape, Shape::Text { .. } | Shape::Link { .. })) =>
                {
                    ContentTag::Span(SpanTag::empty())
                }
                Owner::Tag(_) => ContentTag::Other,
                Owner::Layout => artifact(ArtifactType::Layout),
                Owner::Header => artifact(ArtifactType::Header),
            });
            for mark in marks {
                draw_shape(&mut surface, &mark.shape);
            }
            surface.end_tagged();
            if let Owner::Tag(tag) = owner {
                self.tags[tag.0].children.push(Child::Leaf(leaf.into()));
                links.extend(marks.iter().filter_map(|mark| Some((tag, link(&mark.shape)?))));
            }
        }
        if let Some(stamp) = &self.stamp {
            surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Watermark)));
            draw_stamp(&mut surface, stamp);
            surface.end_tagged();
        }
        surface.finish();
        for (tag, link) in links {
            let leaf = page.add_tagged_annotation(link);
            self.tags[tag.0].children.push(Child::Leaf(leaf.into()));
        }
    }

    /// The headings, with those of level 2 below the one of level 1 before them.
    fn outline(&self, places: &[(TagId, usize, f32)]) -> Outline {
        let mut outline = Outline::new();
        let mut top: Option<OutlineNode> = None;
        for (level, title, tag) in &self.headings {
            let place = places.iter().find(|(of, ..)| of == tag);
            let (page, y) = place.map_or((0, 0.0), |(_, page, y)| (*page, *y));
            let node = OutlineNode::new(title.clone(), XyzDestination::new(page, Point::from_xy(0.0, y)));
            match &mut top {
                Some(top) if *level > 1 => top.push_child(node),
                _ => top.replace(node).into_iter().for_each(|node| outline.push_child(node)),
            }
        }
        top.into_iter().for_each(|node| outline.push_child(node));
        outline
    }
}

/// Returns the tag of a line of text and the top of the line.
fn place_of(mark: &Mark) -> Option<(TagId, f32)> {
    match (&mark.owner, &mark.shape) {
        (Owner::Tag(tag), Shape::Text { y, line, .. }) => Some((*tag, y - line.height)),
        _ => None,
    }
}

fn group(tags: &mut [Option<Tagged>], id: TagId) -> Option<TagGroup> {
    let tagged = tags[id.0].take()?;
    let children: Vec<Node> = tagged
        .children
        .into_iter()
        .filter_map(|child| match child {
            Child::Tag(id) => group(tags, id).map(Node::Group),
            Child::Leaf(leaf) => Some(leaf),
        })
        .collect();
    let is_cell = matches!(tagged.kind, TagKind::TD(_) | TagKind::TH(_));
    (is_cell || !children.is_empty()).then(|| TagGroup::with_children(tagged.kind, children))
}

fn draw_shape(surface: &mut Surface<'_>, shape: &Shape) {
    match shape {
        Shape::Text { x, y, line } | Shape::Link { x, y, line, .. } => draw_line(surface, *x, *y, line),
        Shape::Rule { from, to, width } => {
            let mut path = PathBuilder::new();
            path.move_to(from.0, from.1);
            path.line_to(to.0, to.1);
            stroke(surface, path, *width);
        }
        Shape::Frame { x, y, width, height, stroke: line } => {
            let mut path = PathBuilder::new();
            if let Some(frame) = Rect::from_xywh(*x, *y, *width, *height) {
                path.push_rect(frame);
            }
            stroke(surface, path, *line);
        }
        Shape::Modules { x, y, size, rows } => {
            surface.set_stroke(None);
            surface.set_fill(Some(Fill::default()));
            if let Some(path) = modules(*x, *y, *size, rows) {
                surface.draw_path(&path);
            }
        }
    }
}

fn stroke(surface: &mut Surface<'_>, path: PathBuilder, width: f32) {
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke { width, ..Stroke::default() }));
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}

fn draw_line(surface: &mut Surface<'_>, mut x: f32, y: f32, line: &Line) {
    surface.set_stroke(None);
    surface.set_fill(Some(Fill::default()));
    for run in &line.runs {
        let outlines = run.typeface.outlines.clone();
        surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, outlines, &run.text, run.size, false);
        x += run.width;
    }
}

/// Draws the words in the middle of the page, as an outline.
fn draw_stamp(surface: &mut Surface<'_>, stamp: &Stamp) {
    surface.push_transform(&Transform::from_rotate_at(stamp.degrees, WIDTH / 2.0, HEIGHT / 2.0));
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke { width: 1.3, ..Stroke::default() }));
    let (mut x, y) = ((WIDTH - stamp.words.width) / 2.0, (HEIGHT + stamp.words.height) / 2.0);
    for run in &stamp.words.runs {
        let outlines = run.typeface.outlines.clone();
        surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, outlines, &run.text, run.size, false);
        x += run.width;
    }
    surface.pop();
}

/// Returns the dark modules of a QR code as one path: a rectangle for each run in a row.
fn modules(x: f32, y: f32, size: f32, rows: &[String]) -> Option<Path> {
    let module = size / rows.len() as f32;
    let mut path = PathBuilder::new();
    for (row, modules) in rows.iter().enumerate() {
        let mut column = 0;
        for run in modules.as_bytes().chunk_by(|a, b| a == b) {
            if run.starts_with(b"1") {
                let (left, top) = (x + column as f32 * module, y + row as f32 * module);
                if let Some(rect) = Rect::from_xywh(left, top, run.len() as f32 * module, module) {
                    path.push_rect(rect);
                }
            }
            column += run.len();
        }
    }
    path.finish()
}

fn link(shape: &Shape) -> Option<Annotation> {
    let Shape::Link { x, y, line, url } = shape else { return None };
    let area = Rect::from_ltrb(*x, y - line.height, x + line.width, y + 2.0)?;
    let target = Target::Action(LinkAction::new(url.clone()).into());
    Some(Annotation::new_link(LinkAnnotation::new(area, target), Some(url.clone())))
}
