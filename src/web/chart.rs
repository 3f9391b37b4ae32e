//! Bar charts as SVG, laid out on the server, so that pages need no script.

/// One bar.
pub struct Value {
    pub amount: i64,
    /// Above the bar.
    pub text: String,
    /// Below the bar.
    pub label: String,
    /// The full description, shown on hover.
    pub title: String,
}

/// Widths are percentages, so that bars narrow with the window while texts keep their size.
pub struct Chart {
    pub bars: Vec<Bar>,
    /// In CSS pixels: the width on a wide page.
    pub width: i64,
    pub height: i64,
    pub base: i64,
    pub label_y: i64,
    /// Percentage of the width that one bar takes, with the space around it.
    pub step: f64,
    /// The narrowest width in CSS pixels at which every label has room: one of [`Chart::WIDTHS`].
    pub labels_need: i64,
    /// The same for the texts above the bars.
    pub values_need: i64,
}

pub struct Bar {
    /// Percentage of the width.
    pub x: f64,
    pub y: i64,
    pub height: i64,
    pub value_y: i64,
    pub text: String,
    pub label: String,
    pub title: String,
    /// The last bar: the current period.
    pub is_current: bool,
    /// What a narrow chart leaves out: `1` for every second text, `2` for every fourth, counted from the last bar.
    pub thinning: u8,
}

impl Chart {
    const STEP: i64 = 80;
    const TALLEST: i64 = 96;
    /// The widths at which `app.css` leaves out texts.
    const WIDTHS: [i64; 5] = [240, 360, 480, 640, 840];
    /// Width of a digit, and the space between two texts.
    const DIGIT: i64 = 8;
    const SPACE: i64 = 8;

    pub fn new(values: Vec<Value>) -> Self {
        let most = values.iter().map(|value| value.amount).max().unwrap_or_default().max(1);
        let (base, count) = (20 + Self::TALLEST, values.len());
        let labels_need = Self::width_for(values.iter().map(|value| value.label.as_str()));
        let values_need = Self::width_for(values.iter().map(|value| value.text.as_str()));
        let step = 100.0 / count.max(1) as f64;
        let bars = values.into_iter().enumerate().map(|(at, value)| {
            let height = i64::try_from(i128::from(value.amount) * i128::from(Self::TALLEST) / i128::from(most));
            let height = height.unwrap_or_default();
            let from_last = count - 1 - at;
            Bar {
                x: at as f64 * step,
                y: base - height,
                height,
                value_y: base - height - 6,
                text: value.text,
                label: value.label,
                title: value.title,
                is_current: from_last == 0,
                thinning: if from_last % 2 == 1 { 1 } else { u8::from(from_last % 4 == 2) * 2 },
            }
        });
        Self {
            bars: bars.collect(),
            width: count as i64 * Self::STEP,
            height: base + 24,
            base,
            label_y: base + 18,
            step,
            labels_need,
            values_need,
        }
    }

    /// The width at which texts of this length fit side by side.
    fn width_for<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> i64 {
        let count = texts.len();
        let longest = texts.map(|text| text.chars().count()).max().unwrap_or_default();
        let needed = count as i64 * (longest as i64 * Self::DIGIT + Self::SPACE);
        Self::WIDTHS.into_iter().find(|width| *width >= needed).unwrap_or(Self::WIDTHS[4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(texts: &[&str]) -> Chart {
        let value = |text: &&str| Value {
            amount: text.len() as i64,
            text: text.to_string(),
            label: "17".into(),
            title: String::new(),
        };
        Chart::new(texts.iter().map(value).collect())
    }

    #[test]
    fn one_bar_is_as_wide_as_one_of_many() {
        let (one, many) = (chart(&["9"]), chart(&["9"; 14]));
        assert_eq!((one.width, one.step, one.bars[0].x, one.height), (80, 100.0, 0.0, 140));
        assert_eq!(many.width / 14, one.width);
        assert_eq!((chart(&[]).width, chart(&[]).bars.len()), (0, 0));
    }

    #[test]
    fn a_narrow_chart_keeps_the_text_of_its_last_bar() {
        let chart = chart(&["1,234"; 8]);
        assert_eq!((chart.values_need, chart.labels_need), (480, 240), "eight texts of 48 and of 24 pixels");
        assert_eq!(chart.bars.iter().map(|bar| bar.thinning).collect::<Vec<_>>(), [1, 2, 1, 0, 1, 2, 1, 0]);
    }
}
