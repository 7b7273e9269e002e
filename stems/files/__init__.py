"""Songs in, stems out: decoding, formats, notes of a wav, exact sums, one atomic write."""
