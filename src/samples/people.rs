//! Companies and logins: six customers and the staff are written by hand, further customers are generated.

use super::{SampleCustomer, SampleUser};

/// A customer and how it buys.
pub(super) struct Company {
    /// The row for the database.
    pub customer: SampleCustomer,
    /// Where loads go: name and address, lines; never empty.
    pub sites: Vec<String>,
    /// Indices into the grades of `loads`, never empty.
    pub grades: &'static [usize],
    /// The prefix of its purchase orders.
    pub po_prefix: String,
    /// Who usually pays the carrier.
    pub freight_terms: &'static str,
    contact: Contact,
}

/// The first login of a company.
struct Contact {
    email: String,
    name: String,
    password: String,
}

struct SampleCompany {
    code: &'static str,
    name: &'static str,
    address: &'static str,
    other_site: Option<&'static str>,
    grades: &'static [usize],
    po_prefix: &'static str,
    freight_terms: &'static str,
    email: &'static str,
    contact: &'static str,
    password: &'static str,
}

const DUCTILE: &[usize] = &[2, 2, 2, 4];
const GRAY: &[usize] = &[1, 1, 1, 4, 6];
const MILL: &[usize] = &[0, 3, 4, 5, 6];

const HANDWRITTEN: [SampleCompany; 6] = [
    SampleCompany {
        code: "MIAMIVLY",
        name: "Miami Valley Ductile Castings, Inc.",
        address: "1480 Troy Street\nDayton, OH 45404",
        other_site: Some("Miami Valley Ductile Castings, Plant 2\n615 Hydraulic Road\nPiqua, OH 45356"),
        grades: DUCTILE,
        po_prefix: "4500",
        freight_terms: "prepaid",
        email: "carla.jennings@miamivalley.example",
        contact: "Carla Jennings",
        password: "pig-iron-by-the-river-01",
    },
    SampleCompany {
        code: "CUYMILLS",
        name: "Cuyahoga Bend Rolling Mills, LLC",
        address: "3901 Independence Road\nCleveland, OH 44105",
        other_site: None,
        grades: MILL,
        po_prefix: "CB-",
        freight_terms: "collect",
        email: "tom.havlicek@cuyahogabend.example",
        contact: "Tom Havlíček",
        password: "ladle-over-the-lake-02",
    },
    SampleCompany {
        code: "WHITEWTR",
        name: "Whitewater Foundry & Machine Co.",
        address: "2200 Industries Road\nRichmond, IN 47374",
        other_site: None,
        grades: GRAY,
        po_prefix: "P",
        freight_terms: "prepaid",
        email: "denise.okafor@whitewaterfoundry.example",
        contact: "Denise Okafor",
        password: "cupola-smoke-at-seven-03",
    },
    SampleCompany {
        code: "MULLER",
        name: "Müller-Brandt Castings, Inc.",
        address: "1855 East Laketon Avenue\nMuskegon, MI 49442",
        other_site: Some("Müller-Brandt Castings, Inc.\nReceiving Dock C, 940 Getty Street\nMuskegon, MI 49442"),
        grades: &[1, 2, 2],
        po_prefix: "MB",
        freight_terms: "prepaid",
        email: "annika.mueller@mueller-brandt.example",
        contact: "Annika Müller",
        password: "green-sand-and-gray-iron-04",
    },
    SampleCompany {
        code: "ALLEGHENY",
        name: "Allegheny Bend Steel Corporation",
        address: "375 Mill Street\nNew Kensington, PA 15068",
        other_site: None,
        grades: MILL,
        po_prefix: "88-",
        freight_terms: "third-party",
        email: "rick.dombrowski@alleghenybend.example",
        contact: "Rick Dombrowski",
        password: "two-barges-upstream-05",
    },
    SampleCompany {
        code: "BLUEGRASS",
        name: "Bluegrass Gray Iron Foundry LLC",
        address: "611 West Tenth Street\nNewport, KY 41071",
        other_site: None,
        grades: GRAY,
        po_prefix: "BG",
        freight_terms: "prepaid",
        email: "lamar.stepp@bluegrassgrayiron.example",
        contact: "Lamar Stepp",
        password: "molten-bourbon-county-06",
    },
];

/// Role, email, name and password.
const STAFF: [(&str, &str, &str, &str); 4] = [
    ("office", "dana.whitfield@primetrade.example", "Dana Whitfield", "scale-house-before-dawn-09"),
    ("office", "lukasz.nowak@primetrade.example", "Łukasz Nowak", "forty-tons-on-the-hook-10"),
    ("auditor", "grace.ellery@primetrade.example", "Grace Ellery", "every-ticket-counted-11"),
    ("admin", "marcus.tate@primetrade.example", "Marcus Tate", "keys-to-the-whole-yard-12"),
];

const PLACES: [(&str, &str); 30] = [
    ("Scioto Valley", "Chillicothe, OH 45601"),
    ("Hocking", "Logan, OH 43138"),
    ("Licking River", "Covington, KY 41011"),
    ("Kanawha", "Charleston, WV 25302"),
    ("Wabash", "Lafayette, IN 47904"),
    ("Mahoning", "Youngstown, OH 44502"),
    ("Monongahela", "Monessen, PA 15062"),
    ("Beaver Run", "Beaver Falls, PA 15010"),
    ("Shenango", "Sharon, PA 16146"),
    ("Kalamazoo", "Kalamazoo, MI 49001"),
    ("Saginaw Bay", "Bay City, MI 48706"),
    ("Grand River", "Lansing, MI 48906"),
    ("Maumee", "Defiance, OH 43512"),
    ("Sandusky", "Fremont, OH 43420"),
    ("Tuscarawas", "Dover, OH 44622"),
    ("Muskingum", "Zanesville, OH 43701"),
    ("Olentangy", "Delaware, OH 43015"),
    ("Elkhorn", "Frankfort, KY 40601"),
    ("Green River", "Owensboro, KY 42301"),
    ("Cumberland", "Somerset, KY 42501"),
    ("Salt Fork", "Cambridge, OH 43725"),
    ("Whetstone", "Marion, OH 43302"),
    ("Eel River", "Logansport, IN 46947"),
    ("Blue River", "Shelbyville, IN 46176"),
    ("St. Joseph", "South Bend, IN 46619"),
    ("Elkhart", "Goshen, IN 46526"),
    ("Conestoga", "Lancaster, PA 17603"),
    ("Lehigh Bend", "Bethlehem, PA 18015"),
    ("Fox Valley", "Appleton, WI 54911"),
    ("Rock River", "Rockford, IL 61102"),
];

const TRADES: [(&str, &str, &[usize]); 7] = [
    ("Ductile Castings, Inc.", "DC", DUCTILE),
    ("Gray Iron Foundry LLC", "GI", GRAY),
    ("Steel Corporation", "ST", MILL),
    ("Machine & Foundry Co.", "MF", GRAY),
    ("Rolling Mills, LLC", "RM", MILL),
    ("Alloy Castings Co.", "AC", DUCTILE),
    ("Bar & Tube, Inc.", "BT", MILL),
];

const STREETS: [&str; 6] =
    ["Foundry Street", "Railroad Avenue", "Industrial Parkway", "Mill Street", "Furnace Road", "Canal Street"];
const FIRST_NAMES: [&str; 13] = [
    "Alice", "Brent", "Corinne", "Dale", "Elena", "Frank", "Gwen", "Hector", "Irene", "Jerome", "Kathy", "Leon", "Mona",
];
const LAST_NAMES: [&str; 17] = [
    "Abbott", "Boyd", "Crane", "Dvorak", "Eastman", "Fugate", "Garza", "Hobbs", "Ingram", "Jarvis", "Kessler", "Lutz",
    "Meier", "Nash", "Orr", "Pruitt", "Quinn",
];
const SUBJECTS: [&str; 7] = ["anvil", "ladle", "cupola", "crucible", "tugboat", "barge", "hopper"];

fn handwritten(sample: &SampleCompany) -> Company {
    let home = format!("{}\n{}", sample.name, sample.address);
    Company {
        customer: SampleCustomer { code: sample.code.into(), name: sample.name.into(), address: sample.address.into() },
        // Most loads go to the main plant.
        sites: match sample.other_site {
            Some(other) => vec![home.clone(), home, other.into()],
            None => vec![home],
        },
        grades: sample.grades,
        po_prefix: sample.po_prefix.into(),
        freight_terms: sample.freight_terms,
        contact: Contact { email: sample.email.into(), name: sample.contact.into(), password: sample.password.into() },
    }
}

/// Returns the `n`th generated company. Combinations of place and trade are unique up to 210.
fn generated(n: usize) -> Company {
    let (place, city) = PLACES[n % PLACES.len()];
    let (trade, suffix, grades) = TRADES[(n + n / PLACES.len()) % TRADES.len()];
    let short: String = place.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    let code = format!("{}-{suffix}", short.to_ascii_uppercase());
    let name = format!("{place} {trade}");
    let address = format!("{} {}\n{city}", 112 + 38 * n, STREETS[n % STREETS.len()]);
    // 13 and 17 have no common divisor: 221 different people.
    let (first, last) = (FIRST_NAMES[n % FIRST_NAMES.len()], LAST_NAMES[n % LAST_NAMES.len()]);
    Company {
        sites: vec![format!("{name}\n{address}")],
        grades,
        po_prefix: suffix.into(),
        freight_terms: ["prepaid", "prepaid", "collect"][n % 3],
        contact: Contact {
            email: format!("{first}.{last}@{code}.example").to_ascii_lowercase(),
            name: format!("{first} {last}"),
            password: format!("{}-behind-the-{}-{:03}", SUBJECTS[n % 7], SUBJECTS[(n + 3) % 7], n + 13),
        },
        customer: SampleCustomer { code, name, address },
    }
}

/// Returns the first `count` companies.
pub(super) fn companies(count: usize) -> Vec<Company> {
    let generated = (0..count.saturating_sub(HANDWRITTEN.len())).map(generated);
    HANDWRITTEN.iter().take(count).map(handwritten).chain(generated).collect()
}

/// Returns one login for each company, one more for the first company, one for two companies, and the staff.
pub(super) fn users(companies: &[Company]) -> Vec<SampleUser> {
    let of_customer = |email: &str, name: &str, password: &str, of: &[Company]| SampleUser {
        email: email.into(),
        name: name.into(),
        role: "customer",
        password: password.into(),
        customers: of.iter().map(|company| company.customer.code.clone()).collect(),
        is_company_admin: false,
    };
    let mut users: Vec<SampleUser> = companies
        .iter()
        .map(|company| {
            let Contact { email, name, password } = &company.contact;
            of_customer(email, name, password, std::slice::from_ref(company))
        })
        .collect();
    if let Some(first) = users.first_mut() {
        first.is_company_admin = true;
    }
    users.extend(companies.first().map(|first| {
        let (email, name) = ("joel.pickett@miamivalley.example", "Joel Pickett");
        of_customer(email, name, "second-shift-receiving-07", std::slice::from_ref(first))
    }));
    // Buys for two of the companies written by hand.
    let pair = companies.len().min(HANDWRITTEN.len());
    users.extend(companies.get(pair.saturating_sub(2)..pair).filter(|two| two.len() == 2).map(|two| {
        let (email, name) = ("sofia.brandao@midrivermetals.example", "Sofia Brandão");
        of_customer(email, name, "one-broker-two-furnaces-08", two)
    }));
    users.extend(STAFF.map(|(role, email, name, password)| SampleUser {
        email: email.into(),
        name: name.into(),
        role,
        password: password.into(),
        customers: Vec::new(),
        is_company_admin: false,
    }));
    users
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::{MAX_CUSTOMERS, generate};

    #[test]
    fn default_logins() {
        let set = generate(6, 0);
        let count = |role| set.users.iter().filter(|user| user.role == role).count();
        assert_eq!((count("customer"), count("office"), count("auditor"), count("admin")), (8, 2, 1, 1));
        assert_eq!(set.users.iter().filter(|user| user.customers.len() == 2).count(), 1);
        assert_eq!(set.users.iter().filter(|user| user.is_company_admin).count(), 1);
    }

    #[test]
    fn codes_logins_and_passwords_are_unique_and_well_formed() {
        for n in [1, 2, 6, 7, MAX_CUSTOMERS] {
            let set = generate(n, 0);
            assert_eq!(set.customers.len(), n);
            let unique = |values: Vec<&str>| assert_eq!(values.iter().collect::<HashSet<_>>().len(), values.len());
            unique(set.customers.iter().map(|c| c.code.as_str()).collect());
            unique(set.customers.iter().map(|c| c.name.as_str()).collect());
            unique(set.users.iter().map(|u| u.email.as_str()).collect());
            unique(set.users.iter().map(|u| u.password.as_str()).collect());
            for customer in &set.customers {
                let code = &customer.code;
                assert!((2..=16).contains(&code.len()) && !code.starts_with('-'), "{code}");
                assert!(code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'), "{code}");
                assert!(set.users.iter().any(|user| user.customers.contains(code)), "{code}");
            }
            for user in &set.users {
                assert!(user.password.len() >= 15 && user.email.ends_with(".example"), "{user:?}");
                assert_eq!(user.role == "customer", !user.customers.is_empty(), "{user:?}");
            }
        }
    }
}
