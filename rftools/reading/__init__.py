"""The door for files from outside: each kind is read as data, within limits, or refused in one line."""

from rftools.reading.archives import bytes_of, check_archive
from rftools.reading.arrays import check_finite, read_array, read_arrays, real_numbers
from rftools.reading.door import door, nameable, regular
from rftools.reading.limits import LIMITS, check, limits
from rftools.reading.pictures import plain_picture, read_picture
from rftools.reading.texts import read_json, read_toml

__all__ = [
    "LIMITS",
    "bytes_of",
    "check",
    "check_archive",
    "check_finite",
    "door",
    "limits",
    "nameable",
    "plain_picture",
    "read_array",
    "read_arrays",
    "read_json",
    "read_picture",
    "read_toml",
    "real_numbers",
    "regular",
]
