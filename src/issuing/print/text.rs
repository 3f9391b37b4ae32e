//! Text as glyphs, and as lines of a given width.
//!
//! A character that the typeface doesn't have comes from the typeface of fallback. No text is written from right to left,
//! because no typeface has such letters. Lines break where Unicode allows it (UAX #14). A word that is wider than its
//! line breaks between any two characters.

use std::ops::Range;
use std::sync::LazyLock;

use harfrust::{BufferFlags, Direction, Feature, Script, ShapeOptions, ShapePlan, ShaperFont, Tag};
use icu_segmenter::LineSegmenter;
use icu_segmenter::options::LineBreakOptions;
use krilla::text::{GlyphId, KrillaGlyph};

use crate::typefaces::{self, Typeface};

/// How a text looks: the number of its typeface in [`typefaces::all`], and its size in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    typeface: usize,
    size: f32,
}

impl Style {
    pub const fn regular(size: f32) -> Self {
        Self { typeface: 0, size }
    }

    pub const fn semibold(size: f32) -> Self {
        Self { typeface: 1, size }
    }

    pub const fn bold(size: f32) -> Self {
        Self { typeface: 2, size }
    }
}

/// One line. Lengths are in points.
#[derive(Debug, Default)]
pub struct Line {
    pub runs: Vec<Run>,
    /// The width without spaces at the end.
    pub width: f32,
    /// The height of capital letters: from the top of the line to its baseline.
    pub height: f32,
}

/// Glyphs of one typeface and size in a line.
#[derive(Debug)]
pub struct Run {
    pub typeface: &'static Typeface,
    pub size: f32,
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    pub width: f32,
}

/// The glyphs of one or more characters that belong together. No line breaks within.
struct Cluster {
    /// The bytes of the text.
    text: Range<usize>,
    style: Style,
    glyphs: Vec<KrillaGlyph>,
    width: f32,
    is_space: bool,
}

/// Tabular figures, and no ligatures: copied text has the letters that were typed.
static FEATURES: LazyLock<[Feature; 3]> = LazyLock::new(|| {
    let feature = |tag, value| Feature::new(Tag::new(tag), value, ..);
    [feature(b"tnum", 1), feature(b"liga", 0), feature(b"clig", 0)]
});

/// The plan of each typeface for Latin letters. Making one takes longer than shaping a label with it.
static LATIN: LazyLock<Vec<ShapePlan>> = LazyLock::new(|| {
    let plan = |typeface: &Typeface| {
        ShapePlan::new(&typeface.shapes, Direction::LeftToRight, Some(Script::LATIN), None, FEATURES.as_slice())
    };
    typefaces::all().iter().map(plan).collect()
});

/// Returns the lines of a text in several styles. An empty line has the height of its style.
pub fn lines(spans: &[(&str, Style)], width: f32) -> Vec<Line> {
    let text: String = spans.iter().map(|(text, _)| *text).collect();
    let Some(mut style) = spans.first().map(|span| span.1) else { return Vec::new() };
    let mut ends = Vec::with_capacity(spans.len());
    for (part, style) in spans {
        ends.push((ends.last().map_or(0, |(end, _)| *end) + part.len(), *style));
    }
    let mut lines = Vec::new();
    let mut start = 0;
    for paragraph in text.split_inclusive('\n').chain(text.ends_with('\n').then_some("")) {
        let length = paragraph.len();
        // Copied text and a screen reader need a space where a line ends.
        let paragraph = &paragraph.replace('\n', " ");
        let clusters = shape(paragraph, start, &ends);
        style = clusters.first().map_or(style, |cluster| cluster.style);
        broken(paragraph, &clusters, width).for_each(|range| lines.push(line(paragraph, &clusters[range], style)));
        start += length;
    }
    lines
}

/// Returns the text as one line of any width.
pub fn line_of(spans: &[(&str, Style)]) -> Line {
    lines(spans, f32::INFINITY).into_iter().next().unwrap_or_default()
}

/// Returns the clusters of a paragraph that begins at the byte `start` of a text whose styles end at `ends`.
fn shape(paragraph: &str, start: usize, ends: &[(usize, Style)]) -> Vec<Cluster> {
    let style_at = |byte: usize| ends.iter().find(|(end, _)| start + byte < *end).map(|(_, style)| *style);
    let mut clusters = Vec::new();
    let mut segment: Option<(Range<usize>, Style)> = None;
    for (byte, c) in paragraph.char_indices() {
        let Some(wanted) = style_at(byte) else { continue };
        let style = Style { typeface: typefaces::of(c, wanted.typeface), ..wanted };
        let end = byte + c.len_utf8();
        match &mut segment {
            Some((range, same)) if *same == style => range.end = end,
            _ => {
                if let Some((range, style)) = segment.replace((byte..end, style)) {
                    shape_segment(paragraph, range, style, &mut clusters);
                }
            }
        }
    }
    if let Some((range, style)) = segment {
        shape_segment(paragraph, range, style, &mut clusters);
    }
    clusters
}

fn shape_segment(paragraph: &str, range: Range<usize>, style: Style, clusters: &mut Vec<Cluster>) {
    let (text, typeface) = (&paragraph[range.clone()], &typefaces::all()[style.typeface]);
    let mut buffer = harfrust::Buffer::new();
    buffer.push_str(text);
    buffer.set_flags(BufferFlags::BEGINNING_OF_TEXT | BufferFlags::END_OF_TEXT);
    buffer.guess_segment_properties();
    buffer.set_direction(Direction::LeftToRight);
    buffer.set_language(None);
    let is_latin = matches!(buffer.script(), None | Some(Script::LATIN | Script::COMMON));
    if is_latin {
        buffer.set_script(Some(Script::LATIN));
    }
    let plan = is_latin.then(|| &LATIN[style.typeface]);
    let options = ShapeOptions::new().plan(plan).features(FEATURES.as_slice());
    let first = clusters.len();
    if harfrust::shape(&ShaperFont::new(&typeface.shapes), &mut buffer, options).is_err() {
        return;
    }
    for (info, position) in buffer.glyph_infos().iter().zip(buffer.glyph_positions()) {
        let byte = range.start + info.cluster as usize;
        let em = |units: i32| units as f32 / typeface.units_per_em;
        let advance = em(position.x_advance);
        let (x, y) = (em(position.x_offset), em(position.y_offset));
        let glyph = KrillaGlyph::new(GlyphId::new(info.glyph_id), advance, x, y, 0.0, 0..0, None);
        match clusters[first..].last_mut() {
            Some(last) if last.text.start == byte => {
                last.glyphs.push(glyph);
                last.width += advance * style.size;
            }
            _ => clusters.push(Cluster {
                text: byte..range.end,
                style,
                glyphs: vec![glyph],
                width: advance * style.size,
                is_space: paragraph[byte..].starts_with(' '),
            }),
        }
    }
    for index in first + 1..clusters.len() {
        clusters[index - 1].text.end = clusters[index].text.start;
    }
}

/// Returns the clusters of each line. Spaces at the end of a line may be outside of its width.
fn broken(paragraph: &str, clusters: &[Cluster], width: f32) -> impl Iterator<Item = Range<usize>> {
    let mut opportunities =
        LineSegmenter::new_for_non_complex_scripts(LineBreakOptions::default()).segment_str(paragraph).peekable();
    let (mut lines, mut start, mut used, mut allowed) = (Vec::new(), 0, 0.0, None);
    for (index, cluster) in clusters.iter().enumerate() {
        while opportunities.next_if(|byte| *byte < cluster.text.start).is_some() {}
        if opportunities.next_if_eq(&cluster.text.start).is_some() && index > start {
            allowed = Some(index);
        }
        while !cluster.is_space && index > start && used + cluster.width > width + 0.01 {
            let end = allowed.take().unwrap_or(index);
            lines.push(start..end);
            start = end;
            used = clusters[start..index].iter().map(|cluster| cluster.width).sum();
        }
        used += cluster.width;
    }
    lines.push(start..clusters.len());
    lines.into_iter()
}

/// Returns a line of these clusters. `style` gives an empty line its height.
fn line(paragraph: &str, clusters: &[Cluster], style: Style) -> Line {
    let cap_height = |style: Style| typefaces::all()[style.typeface].cap_height * style.size;
    let printed = clusters.iter().rposition(|cluster| !cluster.is_space).map_or(0, |last| last + 1);
    let mut line = Line {
        width: clusters[..printed].iter().map(|cluster| cluster.width).sum(),
        height: clusters.iter().map(|cluster| cap_height(cluster.style)).fold(0.0, f32::max),
        runs: Vec::new(),
    };
    if clusters.is_empty() {
        line.height = cap_height(style);
    }
    let mut of_run: Option<Style> = None;
    for cluster in clusters {
        if of_run.replace(cluster.style) != Some(cluster.style) {
            let typeface = &typefaces::all()[cluster.style.typeface];
            let (text, glyphs) = (String::new(), Vec::new());
            line.runs.push(Run { typeface, size: cluster.style.size, text, glyphs, width: 0.0 });
        }
        let Some(run) = line.runs.last_mut() else { continue };
        let start = run.text.len();
        run.text.push_str(&paragraph[cluster.text.clone()]);
        run.width += cluster.width;
        let range = start..run.text.len();
        run.glyphs
            .extend(cluster.glyphs.iter().map(|glyph| KrillaGlyph { text_range: range.clone(), ..glyph.clone() }));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Style = Style::regular(10.0);

    fn texts(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.runs.iter().map(|run| run.text.as_str()).collect()).collect()
    }

    #[test]
    fn lines_break_at_spaces_and_where_the_text_says() {
        let width = line_of(&[("pig iron", TEXT)]).width;
        let lines = lines(&[("pig iron and scrap\n\nby truck", TEXT)], width + 0.1);
        assert_eq!(texts(&lines), ["pig iron ", "and ", "scrap ", " ", "by ", "truck"]);
        assert!(lines.iter().all(|line| line.width <= width + 0.1 && (line.height - 6.6).abs() < 0.1));
        assert!((lines[0].width - width).abs() < 0.01, "a space at the end takes no room");
    }

    #[test]
    fn a_word_wider_than_its_line_breaks_anywhere_and_loses_nothing() {
        for word in
            ["((((((((((((((((((((", "WWWWWWWWWWWWWWWWWWWWWWWWWW", "12345\u{202f}12345\u{202f}12345\u{202f}12345"]
        {
            let lines = lines(&[("see ", TEXT), (word, TEXT)], 40.0);
            assert!(lines.len() > 2 && lines.iter().all(|line| line.width <= 40.01), "{word}");
            assert_eq!(texts(&lines).concat(), format!("see {word}"));
        }
    }

    #[test]
    fn characters_of_other_scripts_come_from_the_fallback() {
        let line = line_of(&[("Łódź 漢字 e\u{301}", TEXT)]);
        let runs: Vec<&str> = line.runs.iter().map(|run| run.text.as_str()).collect();
        assert_eq!(runs, ["Łódź ", "漢字", " e\u{301}"]);
        let has_gap = |run: &Run| run.glyphs.iter().any(|glyph| glyph.glyph_id == GlyphId::new(0));
        assert!(!line.runs.iter().any(has_gap));
        assert_eq!(line.runs[2].glyphs.len(), 2, "the accent is part of its letter");
    }

    #[test]
    fn figures_have_one_width_and_letters_no_ligatures() {
        let width = |text| line_of(&[(text, TEXT)]).width;
        assert!((width("1111") - width("8080")).abs() < 0.01);
        assert_eq!(line_of(&[("office", TEXT)]).runs[0].glyphs.len(), 6);
    }

    #[test]
    fn styles_follow_each_other_in_a_line() {
        let line = line_of(&[("Note.", Style::bold(7.5)), (" Liability", TEXT)]);
        assert_eq!(line.runs.len(), 2);
        assert!((line.height - 6.6).abs() < 0.1 && line.runs[0].size == 7.5);
    }
}
