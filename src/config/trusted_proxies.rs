//! `TRUSTED_PROXIES` and `TRUSTED_PROXY_HOPS`: which proxies may name the client.

use std::net::IpAddr;

use ipnet::IpNet;

/// The proxies that may name the client.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    pub networks: Vec<IpNet>,
    /// How many proxies a request passes at most. `None`: as many as have an address in `networks`.
    pub max_hops: Option<usize>,
}

impl TrustedProxies {
    /// Returns whether the node at this address is a trusted proxy, behind `passed` others that are.
    pub fn trusts(&self, ip: IpAddr, passed: usize) -> bool {
        self.max_hops.is_none_or(|hops| passed < hops) && self.networks.iter().any(|network| network.contains(&ip))
    }
}
