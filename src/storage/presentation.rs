//! How a browser presents a file that it gets by a link.

/// How a link presents the file: its name, and whether a browser shows or saves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    pub file_name: String,
    pub inline: bool,
    /// The id of the request that issues the link, or empty. The signed link carries it, so that the access log of the
    /// bucket can be matched with the link.
    pub request: String,
}

impl Presentation {
    /// Returns a `Content-Disposition` value (RFC 6266): the name in ASCII, and in full for clients that support it.
    pub fn content_disposition(&self) -> String {
        let kind = if self.inline { "inline" } else { "attachment" };
        let clean: String = self.file_name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\')).collect();
        let plain: String =
            clean.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '%') { c } else { '_' }).collect();
        if plain == clean {
            return format!("{kind}; filename=\"{plain}\"");
        }
        let mut extended = String::new();
        for byte in clean.bytes() {
            // attr-char of RFC 8187
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                extended.push(byte.into());
            } else {
                extended.push_str(&format!("%{byte:02X}"));
            }
        }
        format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{extended}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_disposition_is_one_clean_line() {
        let show = |name: &str, inline| {
            Presentation { file_name: name.into(), inline, ..Presentation::default() }.content_disposition()
        };
        assert_eq!(show("PRT-2025-0002.pdf", false), "attachment; filename=\"PRT-2025-0002.pdf\"");
        assert_eq!(show("PRT-2025-0002.pdf", true), "inline; filename=\"PRT-2025-0002.pdf\"");
        assert_eq!(
            show("a\"b\r\nSet-Cookie: x\\..\\/c.pdf", false),
            "attachment; filename=\"a_bSet-Cookie: x..c.pdf\"; filename*=UTF-8''a%22bSet-Cookie%3A%20x..c.pdf"
        );
        assert_eq!(
            show("Łódź.pdf", false),
            "attachment; filename=\"__d_.pdf\"; filename*=UTF-8''%C5%81%C3%B3d%C5%BA.pdf"
        );
    }
}
