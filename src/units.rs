//! Quantities as people read them.

/// Formats a number of bytes as file managers do: `640 bytes`, `184 KB`, `1.2 MB`, `3.4 GB` (1 KB = 1,000 bytes).
pub fn file_size(bytes: i64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", (bytes + 500) / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_of_file_managers() {
        assert_eq!(file_size(640), "640 bytes");
        assert_eq!(file_size(183_700), "184 KB");
        assert_eq!(file_size(1_250_000), "1.2 MB");
        assert_eq!(file_size(3_450_000_000), "3.4 GB");
    }
}
