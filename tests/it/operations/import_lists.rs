//! `primetrade import-bols` with files as people's spreadsheets and programs write them.

use super::migrate_pdfs::import;
use crate::support::App;

const HEADER: &str = "number,date,customer,product,net_lb,PO,truck,void_date,void_reason\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_spreadsheets_write_is_understood() {
    let app = App::start().await;
    let windows_1252 =
        [b"number,date,customer,product,net_lb\r\nPRT-2019-0005,1/5/2019,M\xfcller,x,46060\r\n".as_slice()];
    for (name, csv, year) in [
        (
            "short rows",
            format!(
                "{HEADER}PRT-2011-0001,1/5/2011,ACME,x,46060,PO-1,T1,1/6/2011,wrong load\r\nPRT-2011-0002,1/5/2011,ACME,x,46060\r\n"
            ),
            2011,
        ),
        ("sep", format!("sep=,\r\n{HEADER}PRT-2012-0001,1/5/2012,ACME,x,46060,,,,\r\n"), 2012),
        ("title", format!("BOL register 2013,,,,,,,,\r\n{HEADER}PRT-2013-0001,1/5/2013,ACME,x,46060,,,,\r\n"), 2013),
        ("pandas", format!("{HEADER}PRT-2014-0001,1/5/2014,ACME,x,46060.0,,,,\r\n"), 2014),
    ] {
        let (code, stdout, stderr) = import(&app, csv.as_bytes(), &[]).await;
        assert_eq!(code, 0, "{name}: {stdout}{stderr}");
        let bols = app.bols().await;
        let first = bols.iter().find(|bol| bol.number == format!("PRT-{year}-0001")).unwrap();
        assert_eq!((first.net_lb, &*first.product), (46_060, "x"), "{name}");
    }
    for csv in windows_1252 {
        let (code, stdout, stderr) = import(&app, csv, &["--create-customers"]).await;
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert_eq!(app.customer("M-LLER").await.name, "Müller");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_spreadsheet_has_spoiled_is_named_with_what_to_do() {
    let app = App::start().await;
    for (row, words) in [
        (
            "PRT-2019-0054,43470,ACME,x,46060,PO-54,T54,,",
            "line 2: date: 43470 is the number with which Excel stores 2019-01-05",
        ),
        (
            "PRT-2019-0058,1/5/2019,ACME,x,46060,4.50012E+12,T58,,",
            "line 2: customer_po: 4.50012E+12 was a longer number",
        ),
        ("PRT-2019-0060,1/5/2019,ACME,x,46.000,PO,T58,,", "line 2: net_lb"),
        (
            "PRT-2019-0061,1/5/2019,ACME,x,46060,PO, 61,T58,1/6/2019,wrong load",
            "line 2: 10 columns, but the header has 9",
        ),
    ] {
        let (code, stdout, stderr) = import(&app, format!("{HEADER}{row}\r\n").as_bytes(), &[]).await;
        assert!(code == 1 && stdout.contains(words), "{row}: {stdout}{stderr}");
    }
    let no_header = "BOL register,,\r\nfirst,second,third\r\n1,2,3\r\n";
    let (code, _, stderr) = import(&app, no_header.as_bytes(), &[]).await;
    assert!(code == 1 && stderr.contains("Line 2, the header, has no column number"), "{stderr}");
}

/// A space, a no-break space and a capital letter make no second customer.
#[tokio::test(flavor = "multi_thread")]
async fn one_name_with_different_spaces_is_one_customer() {
    let app = App::start().await;
    let rows =
        ["Old Foundry Co", "Old\u{a0}Foundry Co", "OLD  FOUNDRY\u{202f}CO", "Old Found\u{ad}ry Co"].iter().enumerate();
    let rows: String =
        rows.map(|(index, name)| format!("PRT-2018-000{},1/5/2018,{name},x,46060,1,,,\r\n", index + 1)).collect();
    let (code, stdout, stderr) = import(&app, format!("{HEADER}{rows}").as_bytes(), &["--create-customers"]).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(app.count("customers WHERE code LIKE 'OLD%'").await, 1);
    assert_eq!(app.customer("OLD-FOUNDRY").await.name, "Old Foundry Co");
    // The next file finds it too.
    let more = format!("{HEADER}PRT-2018-0009,1/6/2018,old foundry\u{a0}co,x,46060,1,,,\r\n");
    assert_eq!(import(&app, more.as_bytes(), &[]).await.0, 0);
}
