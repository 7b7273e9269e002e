#pragma once

#include <string>

namespace stems {

/// The SHA-256 of some bytes (FIPS 180-4), as 64 hexadecimal digits.
std::string sha256(const std::string& content);

}  // namespace stems
