//! The time to print a BOL: 200 different BOLs, one after the other on one core.

use std::time::{Duration, Instant};

use primetrade::bols::{Bol, Printed, PrintedCodes};
use primetrade::issuing::print::Sheet;

const BOLS: u32 = 200;
/// The time that ReportLab (Python) took for a simpler form on two similar cores.
const REPORTLAB_MS: f64 = 8.8;

pub fn report() {
    let first = Instant::now();
    let bytes = print(0).len();
    let first = first.elapsed();
    let mut times: Vec<Duration> = (1..=BOLS)
        .map(|n| {
            let start = Instant::now();
            print(n);
            start.elapsed()
        })
        .collect();
    let mean = ms(times.iter().sum::<Duration>()) / f64::from(BOLS);
    times.sort();
    let at = |percent: usize| ms(times[times.len() * percent / 100]);
    println!("\nprinting {BOLS} different BOLs of {bytes} bytes, one after the other:");
    println!("the first one {:.1} ms; then mean {mean:.1} ms, p50 {:.1}, p99 {:.1}", ms(first), at(50), at(99));
    println!("beside {REPORTLAB_MS} ms of ReportLab: ratio {:.2}", REPORTLAB_MS / mean);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn print(n: u32) -> Vec<u8> {
    let (gross, tare) = (79_000 + 20 * n as i32, 33_000 + 7 * n as i32);
    let printed = Printed {
        customer_name: format!("Foundry number {}", n % 17),
        bol_date: chrono::NaiveDate::from_yo_opt(2025, 1 + n).unwrap(),
        product: ["Basic pig iron", "Foundry pig iron", "HMS 1 & 2", "Nodular pig iron"][n as usize % 4].into(),
        lot: format!("PI-25-{:04}", 1000 + n),
        chemistry: format!("C 4.{:02}%, Si 0.{:02}%, S 0.018%, P 0.061%, Mn 0.24%", n % 60, n % 90),
        customer_po: format!("45001788{n:03}"),
        release_number: format!("R-{n:04}"),
        carrier: format!("Heartland Bulk Carriers {}, Inc.", n % 11),
        carrier_scac: "HBLK".into(),
        truck_number: format!("{}", 4000 + n),
        trailer_number: format!("DT-{}", 2000 + n),
        seal_numbers: format!("{:07}, {:07}", 48_000 + 2 * n, 48_001 + 2 * n),
        driver_name: format!("Terrence Oyelaran {n}"),
        ship_from: "PrimeTrade Terminal, Dock 2\n3480 Southside Avenue\nCincinnati, OH 45204".into(),
        ship_to: format!("Foundry number {}\n{n} Mill Road\nDayton, OH 45404", n % 17),
        freight_terms: ["prepaid", "collect"][n as usize % 2].into(),
        pieces: Some(1),
        package_type: "load, bulk".into(),
        gross_lb: Some(gross),
        tare_lb: Some(tare),
        net_lb: gross - tare,
        scale_ticket: format!("{}", 88_000 + n),
        special_instructions: format!(
            "Call receiving at (937) 555-{:04} one hour before arrival. Tarp required.",
            100 + n
        ),
        trailer_loaded_by: "shipper".into(),
        freight_counted_by: "driver".into(),
        company_name: "PrimeTrade Terminal, Cincinnati".into(),
        company_address: "3480 Southside Avenue\nCincinnati, OH 45204".into(),
        company_phone: "(513) 555-0142".into(),
        company_email: "shipping@primetrade.example".into(),
        ..Printed::default()
    };
    let bol = Bol { number: format!("PRT-2025-{:04}", n + 1), printed, ..Bol::default() };
    let codes = PrintedCodes::new(vec!["https://portal.example.com".into()], None);
    let address = codes.address(&bol.number.parse().unwrap());
    Sheet::new(&bol, address, chrono_tz::America::New_York).render().unwrap()
}
