//! A file over HTTP, which goes on where an earlier attempt was broken off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Attempts within one call; each goes on from the one before.
const ATTEMPTS: usize = 5;

/// Between two of them.
const PAUSE: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(2) };

pub enum Failure {
    Network(String),
    Disk(io::Error),
}

/// How one attempt ended without the file.
enum Ended {
    /// Another attempt may go on.
    Broken(String),
    /// No other attempt would end otherwise.
    Refused(String),
    Disk(io::Error),
}

/// Downloads a file. What has come of one that was broken off lies beside it as `NAME.part`, with what the server calls that
/// version of it as `NAME.version`: another version is not put behind its beginning. `report` is given the bytes that are there,
/// and of how many where the server says.
///
/// # Errors
/// Where the server does not answer, sends more than `max_bytes` or breaks off again and again, or the disk is full.
pub fn get(url: &str, path: &Path, max_bytes: u64, report: &dyn Fn(u64, Option<u64>)) -> Result<(), Failure> {
    if path.is_file() {
        return Ok(());
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(10)))
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        // A redirect must not leave the encrypted connection.
        .https_only(url.starts_with("https://"))
        .build()
        .into();
    let beside = |ending: &str| PathBuf::from(format!("{}.{ending}", path.display()));
    let (part, version) = (beside("part"), beside("version"));
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        match once(&agent, url, &part, &version, max_bytes, report) {
            Ok(()) => {
                let _ = fs::remove_file(&version);
                return fs::rename(&part, path).map_err(Failure::Disk);
            }
            Err(Ended::Broken(why)) => last = why,
            Err(Ended::Refused(why)) => return Err(Failure::Network(why)),
            Err(Ended::Disk(error)) => return Err(Failure::Disk(error)),
        }
    }
    Err(Failure::Network(format!("{last}, in the last of {ATTEMPTS} attempts")))
}

fn once(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    version: &Path,
    max_bytes: u64,
    report: &dyn Fn(u64, Option<u64>),
) -> Result<(), Ended> {
    let there = part.metadata().map_or(0, |facts| facts.len());
    // Without a name for its version, the beginning could be of another file than the rest.
    let known = fs::read_to_string(version).ok().filter(|known| there > 0 && !known.is_empty());
    let mut request = agent.get(url);
    if let Some(known) = &known {
        request = request.header("Range", format!("bytes={there}-")).header("If-Range", known.as_str());
    }
    let response = match request.call() {
        Ok(response) => response,
        // What is there is not of this file.
        Err(ureq::Error::StatusCode(416)) => {
            fs::remove_file(part).map_err(Ended::Disk)?;
            return Err(Ended::Broken("the server cannot go on from what has come".into()));
        }
        Err(ureq::Error::StatusCode(status)) if status < 500 => {
            return Err(Ended::Refused(format!("the server answers with status {status}")));
        }
        Err(error) => return Err(Ended::Broken(error.to_string())),
    };
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let goes_on = response.status().as_u16() == 206;
    let mut total = None;
    if goes_on {
        // `bytes 100-199/200`
        let range = header("content-range").unwrap_or_default();
        let range = range.strip_prefix("bytes ").and_then(|range| range.split_once('-'));
        let Some((_, rest)) = range.filter(|(start, _)| start.parse() == Ok(there)) else {
            return Err(Ended::Refused(
                "the server sends another part of the file than was asked for".into(),
            ));
        };
        total = rest.split_once('/').and_then(|(_, total)| total.parse::<u64>().ok());
    }
    let strong = header("etag").filter(|etag| !etag.starts_with("W/"));
    let name = strong.or_else(|| header("last-modified")).unwrap_or_default();
    let body = response.into_body();
    total = total.or_else(|| body.content_length().map(|length| length + if goes_on { there } else { 0 }));
    if total.is_some_and(|total| total > max_bytes) {
        return Err(Ended::Refused(format!("the file has more than {max_bytes} bytes")));
    }
    let mut received = if goes_on { there } else { 0 };
    let mut file = match goes_on {
        true => OpenOptions::new().append(true).open(part),
        false => fs::write(version, name).and_then(|()| File::create(part)),
    }
    .map_err(Ended::Disk)?;
    let mut reader = body.into_reader();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                file.write_all(&buffer[..n]).map_err(Ended::Disk)?;
                received += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Ended::Broken(format!("it broke off after {received} bytes: {error}"))),
        }
        if received > max_bytes {
            let _ = fs::remove_file(part);
            return Err(Ended::Refused(format!("the server sends more than {max_bytes} bytes")));
        }
        report(received, total);
    }
    if let Some(total) = total.filter(|&total| total != received) {
        return Err(Ended::Broken(format!("it broke off after {received} of {total} bytes")));
    }
    file.sync_all().map_err(Ended::Disk)
}
