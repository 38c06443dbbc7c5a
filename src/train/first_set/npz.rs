//! NumPy's `.npz`: a zip archive of `.npy` files, each with one array (numpy.lib.format, versions 1 to 3).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use safetensors::tensor::Dtype;
use zip::ZipArchive;

use super::file::Tensor;

/// Bytes that the header of an array may have; NumPy pads them to 64.
const MOST_HEADER: usize = 1 << 10;

/// Whether the bytes are those of a zip archive.
pub(super) fn is_npz(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK")
}

/// The arrays of an archive by their names, unless they have more than `most` bytes in all.
pub(super) fn tensors(bytes: &[u8], most: u64) -> Result<BTreeMap<String, Tensor<'static>>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut left = most;
    let mut found = BTreeMap::new();
    for number in 0..archive.len() {
        let file = archive.by_index(number).map_err(|error| error.to_string())?;
        let name = file.name().map_err(|error| error.to_string())?.into_owned();
        let Some(name) = name.strip_suffix(".npy") else { return Err(format!("`{name}` is no array (.npy)")) };
        // A header may lie about the size of what is packed: what comes out is counted.
        let mut array = Vec::new();
        file.take(left + 1).read_to_end(&mut array).map_err(|error| format!("`{name}`: {error}"))?;
        left = left
            .checked_sub(array.len() as u64)
            .ok_or_else(|| format!("it unpacks to more than {most} bytes, which no mask of this network has"))?;
        let tensor = parse(array).map_err(|what| format!("`{name}` {what}"))?;
        found.insert(name.to_string(), tensor);
    }
    Ok(found)
}

/// The array in the bytes of a `.npy` file.
fn parse(mut bytes: Vec<u8>) -> Result<Tensor<'static>, String> {
    let no_array = || "is no array of NumPy".to_string();
    let [b'\x93', b'N', b'U', b'M', b'P', b'Y', version, _, low, high] = *bytes.first_chunk().ok_or_else(no_array)?
    else {
        return Err(no_array());
    };
    let (start, length) = match version {
        1 => (10, usize::from(u16::from_le_bytes([low, high]))),
        2 | 3 => match bytes.get(10..12) {
            Some(&[a, b]) => (12, u32::from_le_bytes([low, high, a, b]) as usize),
            _ => return Err(no_array()),
        },
        other => return Err(format!("is of version {other} of the format; 1 to 3 are known")),
    };
    let header = bytes.get(start..).and_then(|rest| rest.get(..length.min(MOST_HEADER + 1)));
    let header = header.filter(|header| header.len() == length && length <= MOST_HEADER).ok_or_else(no_array)?;
    let header = std::str::from_utf8(header).map_err(|_| no_array())?;
    // A dictionary of Python with these three keys, whose values have no other key's name.
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let quoted = value("descr").and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.split_once('\''));
    let descr = quoted.ok_or("holds records; use an array of booleans, whole numbers or floats")?.0;
    let fortran = value("fortran_order").ok_or_else(no_array)?.starts_with("True");
    let shape = value("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let shape = shape.ok_or_else(no_array)?.0.split(',').map(str::trim).filter(|part| !part.is_empty());
    let shape: Vec<usize> = shape.map(|part| part.parse().map_err(|_| no_array())).collect::<Result<_, _>>()?;
    if fortran && shape.len() > 1 {
        return Err("is stored column by column; save numpy.ascontiguousarray of it".into());
    }
    let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
    let (dtype, bytes_each) = match kind {
        "b1" => (Dtype::BOOL, 1),
        "u1" => (Dtype::U8, 1),
        "i1" => (Dtype::I8, 1),
        "u2" => (Dtype::U16, 2),
        "i2" => (Dtype::I16, 2),
        "u4" => (Dtype::U32, 4),
        "i4" => (Dtype::I32, 4),
        "u8" => (Dtype::U64, 8),
        "i8" => (Dtype::I64, 8),
        "f2" => (Dtype::F16, 2),
        "f4" => (Dtype::F32, 4),
        "f8" => (Dtype::F64, 8),
        _ => return Err(format!("is of type {descr}; use booleans, whole numbers or floats")),
    };
    if order == ">" && bytes_each > 1 {
        return Err(format!("is of type {descr}, the highest byte first; save it with the lowest first"));
    }
    bytes.drain(..start + length);
    let numel = shape.iter().try_fold(bytes_each, |product: usize, &dim| product.checked_mul(dim));
    if numel != Some(bytes.len()) {
        return Err(format!("has {} bytes for the shape {shape:?}", bytes.len()));
    }
    Ok(Tensor { dtype, shape, data: Cow::Owned(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn npz(files: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    const HEADER: &str = "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3), }            \n";

    #[test]
    fn arrays_are_read_stored_and_deflated() {
        let data = [1, 0, 1, 0, 0, 1];
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let bytes = npz(&[("fc.weight.npy", npy(HEADER, &data))], method);
            assert!(is_npz(&bytes));
            let found = tensors(&bytes, 1000).unwrap();
            let tensor = &found["fc.weight"];
            assert_eq!((tensor.dtype, &tensor.shape[..], &tensor.data[..]), (Dtype::BOOL, &[2, 3][..], &data[..]));
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for (file, words) in [
            (npy(&HEADER.replace("False", "True"), &[0; 6]), "ascontiguousarray"),
            (npy(&HEADER.replace("|b1", ">f4"), &[0; 24]), "highest byte first"),
            (npy(&HEADER.replace("|b1", "<U5"), &[0; 6]), "type <U5"),
            (npy(HEADER, &[0; 5]), "5 bytes for the shape [2, 3]"),
            (npy(&HEADER.replace("2, 3", "9999999999999, 9999999999999"), &[0; 6]), "6 bytes for"),
            (npy(&HEADER.replace("2, 3", "x"), &[0; 6]), "no array"),
            (npy("", &[0; 6]), "holds records"),
            (b"\x93NUMPY\x01\x00\xff\xff".to_vec(), "no array"),
            (b"\x93NUMPY\x07\x00\xff\xff".to_vec(), "version 7"),
            (Vec::new(), "no array"),
        ] {
            let message = tensors(&npz(&[("w.npy", file)], CompressionMethod::Stored), 1000).err().unwrap();
            assert!(message.contains(words), "{message}");
        }
        let other = npz(&[("readme.txt", Vec::new())], CompressionMethod::Stored);
        assert!(tensors(&other, 1000).err().unwrap().contains("`readme.txt` is no array"));
        assert!(tensors(b"PK\x03\x04", 1000).is_err());
    }

    /// A few packed bytes do not take the memory of a million.
    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let bytes = npz(&[("w.npy", vec![0; 1 << 20])], CompressionMethod::Deflated);
        assert!(bytes.len() < 10_000);
        assert!(tensors(&bytes, 5000).err().unwrap().contains("more than 5000 bytes"));
    }
}
