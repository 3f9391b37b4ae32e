//! A QR code as one path of an SVG, drawn by the server.

use qrcode::types::Color;
use qrcode::{EcLevel, QrCode};

/// The margin that readers need around a code, in modules (ISO/IEC 18004, 9.1).
const QUIET_ZONE: usize = 4;

/// A code to be drawn: `<svg viewBox="0 0 {side} {side}"><path d="{path}"/></svg>`.
pub struct QrPath {
    pub side: usize,
    pub path: String,
}

impl QrPath {
    /// `None` if the text is too long for a code.
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let modules = code.to_colors();
        let mut path = String::new();
        for (y, row) in modules.chunks(width).enumerate() {
            let mut x = 0;
            while x < width {
                let run = row[x..].iter().take_while(|module| **module == Color::Dark).count();
                if run > 0 {
                    path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE));
                }
                x += run.max(1);
            }
        }
        Some(Self { side: width + 2 * QUIET_ZONE, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_as_many_modules_as_the_code() {
        let text = "otpauth://totp/PrimeTrade:jane@example.com?secret=GEZDGNBVGY3TQOJQ";
        let drawn = QrPath::new(text).expect("short enough");
        let code = QrCode::with_error_correction_level(text, EcLevel::M).expect("short enough");
        let dark = code.to_colors().iter().filter(|module| **module == Color::Dark).count();
        let runs =
            drawn.path.split('M').filter_map(|run| run.split_once('h')?.1.split_once('v')?.0.parse::<usize>().ok());
        assert_eq!(runs.sum::<usize>(), dark);
        assert_eq!(drawn.side, code.width() + 8);
    }
}
