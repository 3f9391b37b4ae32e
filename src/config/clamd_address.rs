//! The address of the virus scanner.

use std::path::PathBuf;
use std::str::FromStr;

/// `HOST:PORT`, or the path of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClamdAddress {
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for ClamdAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let fits = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
        if fits && !host.contains(char::is_whitespace) { Ok(Self::Tcp(text.into())) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("127.0.0.1:3310".parse(), Ok(ClamdAddress::Tcp("127.0.0.1:3310".into())));
        assert_eq!("/run/clamd.sock".parse(), Ok(ClamdAddress::Unix("/run/clamd.sock".into())));
        for wrong in ["", "host", ":1", "host:", "host:0", "a b:1", "host:99999"] {
            assert_eq!(wrong.parse::<ClamdAddress>(), Err(()), "{wrong}");
        }
    }
}
