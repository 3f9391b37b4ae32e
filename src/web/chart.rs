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

pub struct Chart {
    pub bars: Vec<Bar>,
    pub width: i64,
    pub height: i64,
    pub base: i64,
    pub label_y: i64,
}

pub struct Bar {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
    pub middle: i64,
    pub value_y: i64,
    pub text: String,
    pub label: String,
    pub title: String,
    /// The last bar: the current period.
    pub is_current: bool,
}

impl Chart {
    const STEP: i64 = 80;
    const BAR: i64 = 44;
    const TALLEST: i64 = 96;

    pub fn new(values: Vec<Value>) -> Self {
        let most = values.iter().map(|value| value.amount).max().unwrap_or_default().max(1);
        let (base, count) = (20 + Self::TALLEST, values.len() as i64);
        let bars = values.into_iter().zip(0..).map(|(value, at)| {
            let height = i64::try_from(i128::from(value.amount) * i128::from(Self::TALLEST) / i128::from(most));
            let height = height.unwrap_or_default();
            Bar {
                x: at * Self::STEP + (Self::STEP - Self::BAR) / 2,
                y: base - height,
                width: Self::BAR,
                height,
                middle: at * Self::STEP + Self::STEP / 2,
                value_y: base - height - 6,
                text: value.text,
                label: value.label,
                title: value.title,
                is_current: at + 1 == count,
            }
        });
        Self { bars: bars.collect(), width: count * Self::STEP, height: base + 24, base, label_y: base + 18 }
    }
}
