//! Uploads and downloads as the pages make them, and the outcomes in their answers.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use reqwest::Method;
use reqwest::multipart::{Form, Part};

use super::{Actor, Answer};

impl Actor {
    /// Uploads files with the fields first, and returns the JSON answer.
    pub async fn upload_all(&self, fields: &[(&str, &str)], files: &[(&str, Vec<u8>)]) -> Answer {
        let mut form = Form::new();
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        for (name, bytes) in files {
            form = form.part("files", Part::bytes(bytes.clone()).file_name((*name).to_owned()));
        }
        let request = self.request(Method::POST, "/office/upload").header("accept", "application/json");
        Answer::of(request.multipart(form)).await
    }

    /// Uploads one file.
    pub async fn upload(&self, fields: &[(&str, &str)], name: &str, bytes: &[u8]) -> Answer {
        self.upload_all(fields, &[(name, bytes.to_vec())]).await
    }

    /// Downloads a file: expects a redirect to a link, and follows it.
    pub async fn download(&self, path: &str) -> Vec<u8> {
        let link = self.get(path).await;
        assert_eq!(link.status, 303, "{path}: {}", link.text());
        let file = self.get(link.header("location")).await;
        assert_eq!(file.status, 200);
        file.body
    }

    /// Expects a redirect to the link of a BOL, and doesn't follow it.
    pub async fn link_to(&self, number: &str) -> Answer {
        let answer = self.get(&format!("/bols/{number}/download")).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer
    }
}

impl Answer {
    /// The outcomes in the order of the uploaded files, such as `stored PRT-2025-0001`.
    pub fn outcomes(&self) -> Vec<String> {
        let list = self.json();
        let list = list.as_array().unwrap_or_else(|| panic!("{}", self.text()));
        list.iter()
            .map(|receipt| {
                let number = receipt["bolNumber"].as_str().unwrap_or_default();
                format!("{} {number}", receipt["outcome"].as_str().unwrap()).trim_end().to_owned()
            })
            .collect()
    }

    /// The reason for the outcome of one uploaded file.
    pub fn reason(&self, index: usize) -> String {
        self.json()[index]["reason"].as_str().unwrap().to_owned()
    }

    /// The id of the document that one uploaded file became.
    pub fn document_id(&self, index: usize) -> i64 {
        self.json()[index]["documentId"].as_i64().unwrap()
    }

    /// The files of a ZIP by their names.
    pub fn unzipped(&self) -> BTreeMap<String, Vec<u8>> {
        let mut zip = zip::ZipArchive::new(Cursor::new(self.body.clone())).unwrap();
        (0..zip.len())
            .map(|at| {
                let mut file = zip.by_index(at).unwrap();
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                (file.name().unwrap().into_owned(), bytes)
            })
            .collect()
    }
}
