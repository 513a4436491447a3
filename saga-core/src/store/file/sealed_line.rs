//! One line of a file: a JSON object whose first field is the checksum of the rest of the line.
//!
//! ```text
//! {"crc":"0a1b2c3d","entry":{"seq":1,..}}
//! ```

use serde::Serialize;

const START: &str = "{\"crc\":\"";
/// Separates the checksum from the text that it covers.
const AFTER: &str = "\",";
const CRC_LEN: usize = 8;

/// Appends `body`, which must serialize to an object with at least one key, as a line with its checksum.
pub(super) fn seal(into: &mut Vec<u8>, body: &impl Serialize) -> Result<(), String> {
    let body = serde_json::to_vec(body).map_err(|e| e.to_string())?;
    let rest = body.strip_prefix(b"{").unwrap_or_default();
    into.extend_from_slice(format!("{START}{:08x}{AFTER}", crc32(rest)).as_bytes());
    into.extend_from_slice(rest);
    into.push(b'\n');
    Ok(())
}

/// Returns the body of a line; `None` if the line is incomplete or its checksum does not match.
pub(super) fn open(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\n")?;
    let (crc, rest) = line.strip_prefix(START.as_bytes())?.split_at_checked(CRC_LEN)?;
    let rest = rest.strip_prefix(AFTER.as_bytes())?;
    let sealed = format!("{:08x}", crc32(rest));
    (crc == sealed.as_bytes()).then(|| [b"{", rest].concat())
}

/// The CRC-32 of zlib and Ethernet.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
    !bytes.iter().fold(!0, step)
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_checksum_is_crc32() {
        // The check value that catalogues of CRCs list for CRC-32.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_sealed_line_is_json_and_opens_to_its_body() {
        let body = json!({"entry": {"text": "line\nbreak"}});
        let mut line = Vec::new();
        seal(&mut line, &body).unwrap();
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        let whole: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(whole["entry"], body["entry"]);
        assert_eq!(serde_json::from_slice::<Value>(&open(&line).unwrap()).unwrap(), body);
    }

    #[test]
    fn a_line_with_a_flipped_bit_or_a_missing_end_does_not_open() {
        let mut line = Vec::new();
        seal(&mut line, &json!({"n": 1, "s": "ab"})).unwrap();
        for cut in 0..line.len() {
            assert_eq!(open(&line[..cut]), None, "cut at {cut}");
            for bit in 0..8 {
                let mut changed = line.clone();
                changed[cut] ^= 1 << bit;
                assert_eq!(open(&changed), None, "bit {bit} of byte {cut}");
            }
        }
    }
}
