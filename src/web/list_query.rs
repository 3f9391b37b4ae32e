//! What an address says about the lists of a page: the text to find, and the page of each list.
//!
//! `?find=west&trucks-after=…` is a page of the trucks, and `?truck=7` the page that has this truck. `edit=truck-7` opens the
//! form of this truck.

use actix_web::HttpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::form_urlencoded;

use super::page::Pager;
use crate::bols::lists::paging::{ListPage, Place, Position};
use crate::bols::weight::grouped;

/// What a list and its entries are called in an address, and by the ids of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListName {
    pub list: &'static str,
    pub entry: &'static str,
}

#[derive(Clone, Debug)]
pub struct ListQuery {
    path: &'static str,
    /// The text that every entry contains. Empty for all entries.
    pub find: String,
    places: Vec<(ListName, Place)>,
    /// A page that doesn't exist was asked for. The first one is shown instead.
    pub is_wrong: bool,
    /// The entry whose form is open.
    edited: Option<(ListName, i64)>,
}

/// Longer texts match nothing.
const MAX_FIND_CHARS: usize = 100;

impl ListQuery {
    pub fn of_request(request: &HttpRequest, path: &'static str, names: &[ListName]) -> Self {
        Self::read(path, names, request.query_string())
    }

    pub fn read(path: &'static str, names: &[ListName], query: &str) -> Self {
        let places = names.iter().map(|name| (*name, Place::First)).collect();
        let mut read = Self { path, find: String::new(), places, is_wrong: false, edited: None };
        for (key, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            if key == "edit" {
                read.edit(names, &value);
                continue;
            }
            if key == "find" {
                read.find = value.chars().filter(|c| *c != '\0').take(MAX_FIND_CHARS).collect();
                continue;
            }
            let Some((place, parsed)) = read.places.iter_mut().find_map(|(name, place)| {
                let parsed = parse(*name, &key, &value)?;
                Some((place, parsed))
            }) else {
                continue;
            };
            match parsed {
                Ok(parsed) => *place = parsed,
                Err(UnknownPage) => read.is_wrong = true,
            }
        }
        if let Some((name, id)) = read.edited
            && *read.place(name) == Place::First
        {
            return read.with(name, Place::At(id));
        }
        read
    }

    /// Reads the entry whose form is open.
    fn edit(&mut self, names: &[ListName], value: &str) {
        let edited = value.rsplit_once('-').and_then(|(entry, id)| {
            let name = names.iter().find(|name| name.entry == entry)?;
            Some((*name, id.parse().ok()?))
        });
        self.is_wrong |= edited.is_none();
        self.edited = edited;
    }

    /// Whether the form of this entry is open.
    pub fn is_edited(&self, name: ListName, id: i64) -> bool {
        self.edited == Some((name, id))
    }

    /// The address of this page with the form of an entry open.
    pub fn edit_href(&self, name: ListName, id: i64) -> String {
        let (query, entry) = (self.query(), name.entry);
        let sign = if query.is_empty() { "" } else { "&" };
        format!("{}?{query}{sign}edit={entry}-{id}#{entry}-{id}", self.path)
    }

    pub fn place(&self, name: ListName) -> &Place {
        self.places.iter().find(|(known, _)| *known == name).map_or(&Place::First, |(_, place)| place)
    }

    /// The same with another page of a list.
    pub fn with(&self, name: ListName, place: Place) -> Self {
        let places = self.places.iter().filter(|(known, _)| *known != name).cloned();
        Self { places: places.chain([(name, place)]).collect(), ..self.clone() }
    }

    /// The address of the page of this entry, at its row.
    pub fn entry_href(&self, name: ListName, id: i64) -> String {
        format!("{}#{}-{id}", self.with(name, Place::At(id)).href(), name.entry)
    }

    pub fn pager<R>(&self, name: ListName, page: &ListPage<R>) -> Pager {
        let ListPage { rows, count, before } = page;
        let href = |place| format!("{}#{}", self.with(name, place).href(), name.list);
        Pager {
            range: Some(format!(
                "{}–{} of {}",
                grouped(before + 1),
                grouped(before + rows.len() as i64),
                grouped(*count)
            )),
            first_href: (*before > 0).then(|| href(Place::First)),
            previous_href: page.previous().map(|position| href(Place::Before(position.clone()))),
            next_href: page.next().map(|position| href(Place::After(position.clone()))),
        }
    }

    /// As a query string, as a form sends it along.
    pub fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.find.is_empty() {
            query.append_pair("find", &self.find);
        }
        for (ListName { list, entry }, place) in &self.places {
            match place {
                Place::First => &mut query,
                Place::After(position) => query.append_pair(&format!("{list}-after"), &encode(position)),
                Place::Before(position) => query.append_pair(&format!("{list}-before"), &encode(position)),
                Place::At(id) => query.append_pair(entry, &id.to_string()),
            };
        }
        query.finish()
    }

    fn href(&self) -> String {
        let query = self.query();
        if query.is_empty() { self.path.into() } else { format!("{}?{query}", self.path) }
    }
}

struct UnknownPage;

/// Reads a parameter of a list. `None` for the parameters of others.
fn parse(ListName { list, entry }: ListName, key: &str, value: &str) -> Option<Result<Place, UnknownPage>> {
    if key == entry {
        return Some(value.parse().map(Place::At).map_err(|_| UnknownPage));
    }
    let place = match key.strip_prefix(list)? {
        "-after" => Place::After,
        "-before" => Place::Before,
        _ => return None,
    };
    Some(decode(value).map(place).ok_or(UnknownPage))
}

fn encode(position: &Position) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// Decodes a position. It only says where the page begins, so it needs no signature.
fn decode(token: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() < 4_000)?;
    serde_json::from_slice(&bytes).ok().filter(Position::is_storable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUCKS: ListName = ListName { list: "trucks", entry: "truck" };
    const CARRIERS: ListName = ListName { list: "carriers", entry: "carrier" };

    fn read(query: &str) -> ListQuery {
        ListQuery::read("/office/carriers", &[CARRIERS, TRUCKS], query)
    }

    #[test]
    fn a_page_survives_the_address() {
        let json = r#"{"is_retired":true,"order_first":"Ü & Söhne","order_second":"T-1","id":7}"#;
        let position: Position = serde_json::from_str(json).expect("a position");
        for place in [Place::First, Place::At(7), Place::After(position.clone()), Place::Before(position)] {
            let query = read("find=a%26b&carrier=3").with(TRUCKS, place.clone());
            let again = read(&query.query());
            assert!(!again.is_wrong && again.edited.is_none());
            assert_eq!((again.place(TRUCKS), again.find.as_str()), (&place, "a&b"));
            assert_eq!(again.place(CARRIERS), &Place::At(3));
        }
        assert_eq!(
            read("").entry_href(TRUCKS, 7),
            "/office/carriers?truck=7#truck-7",
            "the row is in view, wherever it is in the list"
        );
    }

    #[test]
    fn a_page_that_does_not_exist_is_noticed() {
        let nul = URL_SAFE_NO_PAD.encode(r#"{"is_retired":true,"order_first":"\u0000","order_second":"","id":7}"#);
        for wrong in ["truck=x", "truck=99999999999999999999", "trucks-after=x", "carriers-before=bnVsbA"] {
            assert!(read(wrong).is_wrong, "{wrong}");
        }
        assert!(read(&format!("trucks-after={nul}")).is_wrong);
        for right in ["", "trucks-after=", "lots-after=x", "done=truck-saved", "find=%00"] {
            assert!(!read(right).is_wrong, "{right}");
        }
    }
}
