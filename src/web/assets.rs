//! The embedded static files, under names that change with their content, gzipped once at startup.

use std::collections::HashMap;
use std::io::Write;

use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Embedded;

/// All static files, ready to be sent.
pub struct Assets {
    /// By plain and by hashed path.
    files: HashMap<String, Asset>,
    hashed: HashMap<String, String>,
}

#[derive(Clone)]
pub struct Asset {
    pub bytes: Bytes,
    /// `None` if gzip doesn't make it smaller.
    pub gzipped: Option<Bytes>,
    pub content_type: String,
    pub etag: String,
}

impl Assets {
    pub fn load() -> Self {
        let mut assets = Self { files: HashMap::new(), hashed: HashMap::new() };
        // Stylesheets last, because they name the other files.
        let (styles, others): (Vec<_>, Vec<_>) = Embedded::iter().partition(|path| path.ends_with(".css"));
        for path in others.into_iter().chain(styles) {
            let Some(file) = Embedded::get(&path) else { continue };
            let data =
                if path.ends_with(".css") { assets.with_hashed_urls(&file.data) } else { file.data.into_owned() };
            assets.add(&path, &data);
        }
        assets
    }

    fn add(&mut self, path: &str, data: &[u8]) {
        let hash = hex::encode(&Sha256::digest(data)[..8]);
        let asset = Asset::new(path, data, &hash);
        let name = match path.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem}.{hash}.{ending}"),
            None => format!("{path}.{hash}"),
        };
        self.files.insert(path.to_owned(), asset.clone());
        self.files.insert(name.clone(), asset);
        self.hashed.insert(path.to_owned(), format!("/static/{name}"));
    }

    /// Replaces `url("fonts/x.woff2")` with the address that has the hash.
    fn with_hashed_urls(&self, css: &[u8]) -> Vec<u8> {
        let mut css = String::from_utf8_lossy(css).into_owned();
        for (path, href) in &self.hashed {
            css = css.replace(&format!("url(\"{path}\")"), &format!("url(\"{href}\")"));
        }
        css.into_bytes()
    }

    /// The asset of a plain or a hashed path.
    pub fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    /// Whether the path has no hash, so that its content may change.
    pub fn is_plain(&self, path: &str) -> bool {
        self.hashed.contains_key(path)
    }

    /// The address of an asset, with its hash.
    pub fn href(&self, path: &str) -> String {
        self.hashed.get(path).cloned().unwrap_or_else(|| format!("/static/{path}"))
    }
}

impl Asset {
    fn new(path: &str, data: &[u8], hash: &str) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzipped = encoder.write_all(data).and_then(|()| encoder.finish()).ok();
        let mut content_type = mime_guess::from_path(path).first_or_octet_stream().to_string();
        if content_type.starts_with("text/") {
            content_type.push_str("; charset=utf-8");
        }
        Self {
            bytes: Bytes::copy_from_slice(data),
            gzipped: gzipped.filter(|small| small.len() < data.len()).map(Bytes::from),
            content_type,
            etag: format!("\"{hash}\""),
        }
    }
}
