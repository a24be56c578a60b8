//! Bytes of a file to text.

use crate::diagnostic::Diagnostic;

/// The text of a file: UTF-8, with or without a byte order mark.
///
/// # Errors
/// `syntax::encoding`, with line and column in the message, since there is no text that a label could
/// point into.
pub fn decode(name: &str, bytes: &[u8]) -> Result<String, Diagnostic> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let line_start = good.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&good[line_start..]).chars().count() + 1;
        let byte = bytes[error.valid_up_to()];
        let help = match bytes {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "the file is UTF-16; save it as UTF-8",
            _ if bytes.contains(&0) => "this does not look like a text file",
            _ => "save the file as UTF-8",
        };
        Diagnostic::error(
            "syntax::encoding",
            format!("{name}:{line}:{column}: the byte 0x{byte:02X} is not UTF-8 text"),
        )
        .help(help)
    })
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn a_byte_order_mark_is_accepted() {
        assert_eq!(decode("m.hgnn", b"\xEF\xBB\xBFgcn").unwrap(), "gcn");
    }

    #[test]
    fn the_place_of_a_bad_byte_is_named_in_characters() {
        let error = decode("m.hgnn", b"// \xC3\xA4\n// \xC3\xA4 \xFF").unwrap_err();
        assert_eq!(error.message, "m.hgnn:2:6: the byte 0xFF is not UTF-8 text");
    }
}
