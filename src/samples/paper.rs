//! Documents of a load as one-page PDFs: forms with boxes that grow with their text, in the standard fonts.
//!
//! They stand in for the documents of scale house, laboratory and receiver. `issuing` prints the BOLs themselves.

use chrono::TimeDelta;
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Settings, Str, TextStr};

use super::{Rng, SampleBol, SampleDocument, hundredths, loads, local, pounds, tons};

/// Letter, points.
const PAGE: (f32, f32) = (612.0, 792.0);
const LEFT: f32 = 40.0;
const RIGHT: f32 = PAGE.0 - LEFT;
/// Advance of ` ` to `~` in Helvetica, thousandths of the size (Adobe Core 14 AFM).
#[rustfmt::skip]
const ADVANCE: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];
/// WinAnsi from 0x80 to 0x9f, with the Polish l in two of the codes it leaves free.
const HIGH: &str = "€ł‚ƒ„…†‡ˆ‰Š‹ŒŁŽ\0\0‘’“”•–—˜™š›œ\0žŸ";
const CERTIFIED: &str = "This is to certify that the above named materials are properly classified, described, packaged, \
    marked and labeled, and are in proper condition for transportation according to the applicable regulations of the \
    Department of Transportation.";
const RECEIVERS: [&str; 6] = ["R. Novak", "Peg Lawson", "D. Ortiz", "T. Kimbrell", "Sam Yoder", "J. Müller"];
const REMARKS: [&str; 3] = [
    "Unloaded by magnet, 35 minutes. No foreign material seen.",
    "Tarp torn at the rear; material dry. Photographs with receiving.",
    "Truck waited 70 minutes at the gate. Carrier may bill detention.",
];

fn encode(text: &str) -> Vec<u8> {
    let code = |c: char| match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => c as u32 as u8,
        _ => HIGH.chars().position(|high| high == c && c != '\0').map_or(b'?', |at| 0x80 + at as u8),
    };
    text.chars().map(code).collect()
}

/// Returns the width of text: exact for digits and ASCII punctuation in the regular face, an estimate otherwise.
fn width(text: &str, size: f32, bold: bool) -> f32 {
    let advance = |byte: u8| match byte {
        b' '..=b'~' => ADVANCE[usize::from(byte - b' ')] + if bold && byte.is_ascii_alphabetic() { 56 } else { 0 },
        0xc0..=0xde | 0x85 | 0x97 => 1000,
        _ => 611,
    };
    encode(text).into_iter().map(|byte| f32::from(advance(byte))).sum::<f32>() * size / 1000.0
}

/// Breaks text at spaces, and inside a word only if it is too long for a line. Returns at most four lines.
fn wrap(text: &str, room: f32, size: f32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for c in paragraph.chars() {
            line.push(c);
            if c != ' ' && width(&line, size, false) > room {
                let end = line.rfind(' ').map_or(line.len() - c.len_utf8(), |space| space + 1);
                lines.push(line.drain(..end).collect());
            }
        }
        lines.push(line);
    }
    if lines.len() > 4 {
        lines.truncate(4);
        lines[3] += "…";
    }
    lines
}

fn tenth(points: f32) -> f32 {
    (points * 10.0).round() / 10.0
}

/// Draws from the top of the page down.
struct Pen {
    content: Content,
    font: (bool, f32),
    y: f32,
    rng: Rng,
}

impl Pen {
    fn text(&mut self, x: f32, y: f32, size: f32, bold: bool, text: &str) {
        self.content.begin_text();
        if self.font != (bold, size) {
            self.font = (bold, size);
            self.content.set_font(Name(if bold { b"B" } else { b"R" }), size);
        }
        self.content.next_line(tenth(x), tenth(y)).show(Str(&encode(text))).end_text();
    }

    fn text_to(&mut self, right: f32, y: f32, size: f32, bold: bool, text: &str) {
        self.text(right - width(text, size, bold), y, size, bold, text);
    }

    /// Draws a paragraph without a box.
    fn say(&mut self, size: f32, text: &str) {
        for line in wrap(text, RIGHT - LEFT, size) {
            self.y -= size + 3.0;
            self.text(LEFT, self.y, size, false, &line);
        }
        self.y -= 7.0;
    }

    /// Boxes side by side over the whole width, as high as the longest text in them needs. A box is its share of the
    /// width, its label and its text.
    fn row(&mut self, boxes: &[(f32, &str, &str)]) {
        let unit = (RIGHT - LEFT) / boxes.iter().map(|(share, ..)| share).sum::<f32>();
        let wrapped: Vec<_> = boxes.iter().map(|(share, _, text)| wrap(text, share * unit - 10.0, 10.0)).collect();
        let lines = wrapped.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let height = 18.0 + 13.0 * lines as f32;
        // All labels first: a change of font costs bytes.
        for what in [true, false] {
            let mut x = LEFT;
            for ((share, label, _), lines) in boxes.iter().zip(&wrapped) {
                if what {
                    self.content.rect(tenth(x), self.y - height, tenth(share * unit), height).stroke();
                    self.text(x + 4.0, self.y - 9.0, 6.5, false, label);
                }
                for (n, line) in lines.iter().enumerate().filter(|_| !what) {
                    self.text(x + 5.0, self.y - 23.0 - 13.0 * n as f32, 10.0, false, line.trim_end());
                }
                x += share * unit;
            }
        }
        self.y -= height;
    }

    /// Draws columns of the given shares, the first row in bold. Right-aligns the last `numbers` cells of each row.
    fn table<const N: usize>(&mut self, shares: [f32; N], numbers: usize, rows: &[[&str; N]]) {
        let unit = (RIGHT - LEFT) / shares.iter().sum::<f32>();
        self.y -= 12.0;
        for (n, row) in rows.iter().enumerate() {
            let mut x = LEFT;
            self.y -= 22.0;
            for (at, (text, share)) in row.iter().zip(shares).enumerate() {
                let end = x + share * unit;
                self.content.rect(tenth(x), self.y, tenth(end - x), 22.0).stroke();
                let text = wrap(text, end - x - 10.0, 10.0).into_iter().next().unwrap_or_default();
                match at + numbers >= N {
                    true => self.text_to(end - 5.0, self.y + 7.0, 9.5, n == 0, &text),
                    false => self.text(x + 5.0, self.y + 7.0, 9.5, n == 0, &text),
                }
                x = end;
            }
        }
        self.y -= 12.0;
    }

    /// Draws boxes for signatures, with a scrawl in those that are signed.
    fn signatures(&mut self, boxes: &[(&str, bool)]) {
        let step = (RIGHT - LEFT) / boxes.len() as f32;
        self.y -= 60.0;
        for (n, (label, signed)) in boxes.iter().enumerate() {
            let mut x = LEFT + step * n as f32;
            self.content.rect(tenth(x), self.y, tenth(step), 60.0).stroke();
            self.text(x + 4.0, self.y + 51.0, 6.5, false, label);
            if !signed {
                continue;
            }
            let base = self.y + 20.0;
            x += 14.0;
            self.content.save_state().set_stroke_rgb(0.1, 0.15, 0.55).set_line_width(1.1).move_to(tenth(x), base);
            for _ in 0..self.rng.range(6, 9) {
                let mut near = |low, high| self.rng.range(low, high) as f32;
                let (rise, fall, level, forward) = (near(6, 19), near(-9, 2), near(-3, 5), near(8, 15));
                let (x1, x2) = (tenth(x + forward * 1.4), tenth(x - forward * 0.3));
                x += forward;
                self.content.cubic_to(x1, base + rise, x2, base + fall, tenth(x), base + level);
            }
            self.content.stroke().restore_state();
        }
    }
}

fn truck(pen: &mut Pen, bol: &SampleBol) {
    let (truck, trailer) = ((0.7, "TRUCK", &*bol.truck_number), (0.9, "TRAILER", &*bol.trailer_number));
    let (carrier, scac) = ((2.0, "CARRIER", &*bol.carrier), (0.6, "SCAC", &*bol.carrier_scac));
    pen.row(&[carrier, scac, truck, trailer, (1.4, "DRIVER", &bol.driver_name)]);
}

fn lading(pen: &mut Pen, bol: &SampleBol) {
    if !bol.care_of.is_empty() {
        pen.row(&[(1.0, "CARE OF (BLIND SHIPMENT)", &bol.care_of)]);
    }
    truck(pen, bol);
    let by =
        [(1.0, "TRAILER LOADED BY", &*bol.trailer_loaded_by), (1.0, "FREIGHT COUNTED BY", &bol.freight_counted_by)];
    pen.row(&[(1.0, "FREIGHT TERMS", &bol.freight_terms), (1.6, "SEALS", &bol.seal_numbers), by[0], by[1]]);
    let (gross, net) = (pounds(bol.gross_lb), bol.net_lb);
    let pieces = bol.pieces.map_or_else(String::new, |pieces| pieces.to_string());
    let titles = ["Product", "Package", "Pieces", "Gross lb", "Tare lb", "Net lb", "Net tons"];
    let (tare, net, tons) = (pounds(bol.tare_lb), pounds(Some(net)), tons(net));
    let goods = [&*bol.product, &bol.package_type, &pieces, &gross, &tare, &net, &tons];
    pen.table([2.6, 1.2, 0.8, 1.0, 1.0, 1.0, 1.0], 5, &[titles, goods]);
    pen.row(&[(3.0, "CHEMISTRY", &bol.chemistry), (1.0, "SCALE TICKET", &bol.scale_ticket)]);
    pen.row(&[(1.0, "SPECIAL INSTRUCTIONS", &bol.special_instructions)]);
    pen.say(7.0, CERTIFIED);
    pen.signatures(&[("SHIPPER, DATE", true), ("CARRIER, DATE", true), ("CONSIGNEE, DATE", true)]);
    let by = Rng::of(&[21, bol.number_year as u64, bol.number_seq as u64]).below(RECEIVERS.len());
    let at = local(bol.issued_at + TimeDelta::minutes(150 + 37 * by as i64));
    let received = format!("In good order, {at}, by {}", RECEIVERS[by]);
    pen.row(&[(3.0, "RECEIVED", &received), (1.0, "RECEIVER'S SCALE, LB", &pounds(bol.official_weight_lb))]);
}

fn scale_ticket(pen: &mut Pen, bol: &SampleBol) {
    truck(pen, bol);
    let waited = i64::from(pen.rng.range(18, 55));
    let [back, out] = [2 + waited, 2].map(|minutes| local(bol.issued_at - TimeDelta::minutes(minutes)));
    let (gross, tare, net) = (pounds(bol.gross_lb), pounds(bol.tare_lb), pounds(Some(bol.net_lb)));
    let weighings = [["Tare, in", &back, &tare], ["Gross, out", &out, &gross], ["Net", "", &net]];
    let [first, second, third] = weighings;
    pen.table(
        [1.0; 3],
        1,
        &[["Weighing", "Time", "Pounds"], first, second, third, ["Net tons", "", &tons(bol.net_lb)]],
    );
    pen.row(&[(1.0, "SCALE TICKET", &bol.scale_ticket), (2.0, "PRODUCT", &bol.product), (1.0, "LOT", &bol.lot)]);
    pen.signatures(&[("WEIGHMASTER", true), ("DRIVER", true)]);
}

fn certificate(pen: &mut Pen, bol: &SampleBol) {
    let limit = |thousandths: i32| format!("{:.3}", f64::from(thousandths) / 1000.0);
    let words: Vec<&str> = bol.chemistry.split_whitespace().collect();
    let results: Vec<[String; 4]> = words
        .chunks_exact(2)
        .map(|pair| {
            let (name, result) = (pair[0], pair[1].trim_end_matches('%'));
            let found = loads::limits(&bol.product).iter().find(|(element, ..)| *element == name);
            let (least, most) = found.map_or_else(Default::default, |(_, low, high)| (limit(*low), limit(*high)));
            [name.into(), least, most, result.into()]
        })
        .collect();
    let mut rows = vec![["Element", "Least %", "Most %", "Result %"]];
    rows.extend(results.iter().map(|row| row.each_ref().map(String::as_str)));
    pen.row(&[(2.0, "PRODUCT", &bol.product), (1.0, "LOT", &bol.lot), (1.0, "NET LB", &pounds(Some(bol.net_lb)))]);
    pen.table([1.0; 4], 3, &rows);
    pen.say(8.0, "Optical emission spectrometry and combustion on samples of the lot. Percent by weight.");
    pen.signatures(&[("LABORATORY", true)]);
}

fn packing_list(pen: &mut Pen, bol: &SampleBol) {
    truck(pen, bol);
    let (pieces, net) = (bol.pieces.unwrap_or(1).max(1), pounds(Some(bol.net_lb)));
    let (count, each) = (pieces.to_string(), pounds(Some(bol.net_lb / pieces)));
    let line = [&*bol.product, &bol.lot, &bol.package_type, &count, &each, &net];
    pen.table([2.4, 1.2, 1.1, 0.8, 1.0, 1.0], 3, &[["Product", "Lot", "Package", "Pieces", "Lb each", "Net lb"], line]);
    pen.signatures(&[("PACKED BY", true), ("CHECKED BY", false)]);
}

fn invoice(pen: &mut Pen, bol: &SampleBol) {
    let cents = i64::from(pen.rng.range(352, 498)) * 100;
    let amount = hundredths(i64::from(bol.net_lb) * cents / 2000);
    let line = [&*bol.product, &tons(bol.net_lb), &hundredths(cents), &amount];
    let titles = ["Product", "Net tons", "USD a ton", "Amount USD"];
    pen.table([2.0, 1.0, 1.0, 1.0], 3, &[titles, line, ["Total due, net 30 days", "", "", &amount]]);
    pen.say(8.0, "Remit to PrimeTrade Terminal, Cincinnati. Claims about weights within ten days of delivery.");
}

/// What the head of a paper says.
struct Heading<'a> {
    /// The number of the BOL.
    number: &'a str,
    title: &'a str,
    note: &'a str,
}

/// Draws the letterhead, title, note and parties, then the form of this kind.
fn fill_in(pen: &mut Pen, bol: &SampleBol, document: &SampleDocument, heading: &Heading<'_>) {
    let (shipper, address) = bol.ship_from.split_once('\n').unwrap_or((&bol.ship_from, ""));
    pen.text(LEFT, 742.0, 12.0, true, shipper);
    pen.text(LEFT, 729.0, 8.0, false, &address.replace('\n', ", "));
    pen.text_to(RIGHT, 742.0, 11.0, true, &format!("BOL Number: {}", heading.number));
    pen.text_to(RIGHT, 729.0, 8.0, false, &format!("Date: {}", bol.bol_date));
    pen.content.set_line_width(0.6).move_to(LEFT, 722.0).line_to(RIGHT, 722.0).stroke();
    pen.text(LEFT, 697.0, 16.0, true, heading.title);
    pen.y = 692.0;
    pen.say(8.0, heading.note);
    pen.row(&[(1.0, "SHIP FROM", &bol.ship_from), (1.0, "SHIP TO", &bol.ship_to)]);
    let (order, release) = ((1.0, "CUSTOMER PO", &*bol.customer_po), (1.0, "RELEASE", &*bol.release_number));
    pen.row(&[(2.0, "CUSTOMER", &bol.customer_name), order, release, (1.0, "LOT", &bol.lot)]);
    match document.kind {
        "signed-bol" => lading(pen, bol),
        "scale-ticket" => scale_ticket(pen, bol),
        "certificate-of-analysis" => certificate(pen, bol),
        "packing-list" => packing_list(pen, bol),
        "invoice" => invoice(pen, bol),
        _ => pen.row(&[(1.0, "REMARKS", REMARKS[bol.number_seq.unsigned_abs() as usize % REMARKS.len()])]),
    }
}

/// What a paper does besides showing its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    None,
    /// Runs a script when it is opened.
    Script,
    /// Carries a table of weights.
    Attachment,
}

/// Draws any document of a BOL but the BOL itself, with this number printed on it. Returns a PDF of one letter page,
/// below 6 KB and different from every other.
pub fn paper(bol: &SampleBol, document: &SampleDocument, number: &str) -> Vec<u8> {
    paper_with(bol, document, number, Extra::None)
}

/// The same with a script or an attachment, which the intake refuses to file as it is.
pub(super) fn paper_with(bol: &SampleBol, document: &SampleDocument, number: &str, extra: Extra) -> Vec<u8> {
    let (kind, version) = (document.kind, document.version);
    let title = match kind {
        "signed-bol" => "Signed bill of lading — proof of delivery",
        "scale-ticket" => "Scale ticket",
        "certificate-of-analysis" => "Certificate of analysis",
        "packing-list" => "Packing list",
        "invoice" => "Invoice",
        _ => "Receiving report",
    };
    let is_latest = !bol.documents.iter().any(|other| other.kind == kind && other.version > version);
    let note = match (kind, version) {
        ("signed-bol", 2..) => format!("Version {version}: a better scan of the same paper."),
        _ => format!("Version {version}"),
    };
    let seed = [22, bol.number_year as u64, bol.number_seq as u64, kind.len() as u64];
    let settings = Settings { pretty: false };
    let content = Content::with_settings(settings);
    let mut pen = Pen { content, font: (false, 0.0), y: 0.0, rng: Rng::of(&seed) };
    if kind == "signed-bol" && !is_latest {
        // Faint and crooked.
        pen.content.transform([1.0, 0.014, -0.014, 1.0, 4.0, -6.0]).set_fill_gray(0.55).set_stroke_gray(0.7);
    }
    fill_in(&mut pen, bol, document, &Heading { number, title, note: &note });

    finish(&pen.content.finish(), &format!("{title} {number}"), extra)
}

/// Returns a PDF with one page of text.
fn finish(drawn: &[u8], title: &str, extra: Extra) -> Vec<u8> {
    let mut pdf = Pdf::with_settings(Settings { pretty: false });
    let [catalog, pages, page, regular, bold, content, info] = [1, 2, 3, 4, 5, 6, 7].map(Ref::new);
    write_catalog(&mut pdf, catalog, pages, extra);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.parent(pages).media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).contents(content);
    sheet.resources().fonts().pair(Name(b"R"), regular).pair(Name(b"B"), bold);
    sheet.finish();
    for (id, name) in [(regular, "Helvetica"), (bold, "Helvetica-Bold")] {
        let mut font = pdf.type1_font(id);
        font.base_font(Name(name.as_bytes()));
        let mut encoding = font.encoding_custom();
        encoding.base_encoding(Name(b"WinAnsiEncoding"));
        encoding.differences().consecutive(0x81, [Name(b"lslash")]).consecutive(0x8d, [Name(b"Lslash")]);
    }
    pdf.stream(content, drawn);
    pdf.document_info(info).title(TextStr(title));
    pdf.finish()
}

fn write_catalog(pdf: &mut Pdf, catalog: Ref, pages: Ref, extra: Extra) {
    let [attachment, table] = [8, 9].map(Ref::new);
    let mut root = pdf.catalog(catalog);
    root.pages(pages);
    match extra {
        Extra::None => {}
        Extra::Script => {
            let mut action = root.insert(Name(b"OpenAction")).dict();
            action.pair(Name(b"S"), Name(b"JavaScript")).pair(Name(b"JS"), Str(b"app.alert('Scanned by GateScan');"));
        }
        Extra::Attachment => {
            let mut names = root.insert(Name(b"Names")).dict();
            let mut files = names.insert(Name(b"EmbeddedFiles")).dict();
            files.insert(Name(b"Names")).array().item(Str(b"weights.csv")).item(attachment);
        }
    }
    root.finish();
    if extra == Extra::Attachment {
        let mut file = pdf.indirect(attachment).dict();
        file.pair(Name(b"Type"), Name(b"Filespec")).pair(Name(b"F"), Str(b"weights.csv"));
        file.insert(Name(b"EF")).dict().pair(Name(b"F"), table);
        file.finish();
        pdf.stream(table, b"ticket,net_lb\nT-118402,46060\n").pair(Name(b"Type"), Name(b"EmbeddedFile"));
    }
}

/// Draws a page as a telephone photographs it: crooked, darker toward the edges, and with lines that can't be read.
pub(super) fn photo() -> Vec<u8> {
    const WIDTH: i32 = 240;
    const HEIGHT: i32 = 320;
    let mut rng = Rng::of(&[23]);
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            // A slope of one in sixteen.
            let (across, down) = (x - 26 + y / 16, y - 22 - x / 16);
            let is_paper = (0..190).contains(&across) && (0..262).contains(&down);
            let is_line = is_paper && down % 11 < 2 && (14..90 + (down * 37) % 90).contains(&across);
            let shade = match (is_line, is_paper) {
                (true, _) => 96,
                (false, true) => 214,
                (false, false) => 62,
            };
            let vignette = ((x - WIDTH / 2).pow(2) + (y - HEIGHT / 2).pow(2)) / 900;
            pixels.push((shade - vignette + rng.range(-9, 9)).clamp(0, 255) as u8);
        }
    }
    let mut pdf = Pdf::with_settings(Settings { pretty: false });
    let [catalog, pages, page, content, picture] = [1, 2, 3, 4, 5].map(Ref::new);
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.parent(pages).media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).contents(content);
    sheet.resources().x_objects().pair(Name(b"P"), picture);
    sheet.finish();
    let mut image = pdf.image_xobject(picture, &pixels);
    image.width(WIDTH).height(HEIGHT).bits_per_component(8).color_space().device_gray();
    image.finish();
    let mut drawn = Content::with_settings(Settings { pretty: false });
    drawn.transform([PAGE.0, 0.0, 0.0, PAGE.1, 0.0, 0.0]).x_object(Name(b"P"));
    pdf.stream(content, &drawn.finish());
    pdf.finish()
}
