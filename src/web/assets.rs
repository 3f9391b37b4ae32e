//! The embedded static files, under names that change with their content, gzipped once at the start.

use std::collections::HashMap;
use std::io::Write;

use actix_web::guard::{Any, Get, Head};
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use actix_web::web::{Bytes, Data, Path, ServiceConfig, resource, route};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::{Error, Site};

pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/static/{path:.*}").route(route().guard(Any(Get()).or(Head())).to(serve)));
}

#[derive(RustEmbed)]
#[folder = "static/"]
struct Embedded;

/// Ready to be sent.
pub struct Assets {
    /// By plain and by hashed path.
    files: HashMap<String, Asset>,
    hashed: HashMap<String, String>,
}

#[derive(Clone)]
struct Asset {
    bytes: Bytes,
    /// Only when it is smaller: fonts are compressed already.
    gzipped: Option<Bytes>,
    content_type: String,
    etag: String,
}

impl Assets {
    pub fn load() -> Self {
        let mut assets = Self { files: HashMap::new(), hashed: HashMap::new() };
        // Stylesheets last: they name the others.
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

    /// `url("fonts/x.woff2")` becomes the address with the hash.
    fn with_hashed_urls(&self, css: &[u8]) -> Vec<u8> {
        let mut css = String::from_utf8_lossy(css).into_owned();
        for (path, href) in &self.hashed {
            css = css.replace(&format!("url(\"{path}\")"), &format!("url(\"{href}\")"));
        }
        css.into_bytes()
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

/// For ever under a hashed name; under the plain one for a day.
async fn serve(request: HttpRequest, site: Data<Site>, path: Path<String>) -> Result<HttpResponse, Error> {
    let asset = site.assets.files.get(path.as_str()).ok_or(Error::NotFound)?;
    let plain = site.assets.hashed.contains_key(path.as_str());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((
            CACHE_CONTROL,
            if plain { "public, max-age=86400" } else { "public, max-age=31536000, immutable" },
        ))
        .insert_header((ETAG, asset.etag.as_str()))
        .insert_header((VARY, "Accept-Encoding"));
    if request.headers().get(IF_NONE_MATCH).is_some_and(|etag| etag.as_bytes() == asset.etag.as_bytes()) {
        return Ok(response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    response.insert_header((CONTENT_TYPE, asset.content_type.as_str()));
    let takes_gzip =
        request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().split(';').next() == Some("gzip") && !part.replace(' ', "").ends_with(";q=0"))
        });
    Ok(match &asset.gzipped {
        Some(gzipped) if takes_gzip => response.insert_header((CONTENT_ENCODING, "gzip")).body(gzipped.clone()),
        _ => response.body(asset.bytes.clone()),
    })
}
