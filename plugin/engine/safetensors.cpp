#include "safetensors.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

#include <nlohmann/json.hpp>

#include "error.hpp"

namespace stems {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t LENGTH_BYTES = 8, LARGEST_HEADER = 100'000'000, MOST_VALUES = 1u << 28;

std::uint64_t little_endian(const char* bytes, int count) {
    std::uint64_t number = 0;
    for (int i = count - 1; i >= 0; --i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
    return number;
}

float from_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

float from_half(std::uint32_t half) {
    const std::uint32_t sign = half >> 15 << 31, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return from_bits(sign | 255u << 23 | fraction << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -small : small;
}

float value_at(const char* bytes, const std::string& type) {
    if (type == "F16") return from_half(static_cast<std::uint32_t>(little_endian(bytes, 2)));
    const auto bits = static_cast<std::uint32_t>(little_endian(bytes, type == "F32" ? 4 : 2));
    return from_bits(type == "F32" ? bits : bits << 16);
}

Tensor read_tensor(const Json& entry, const char* data, std::uint64_t size) {
    const auto type = entry.at("dtype").get<std::string>();
    if (type != "F32" && type != "F16" && type != "BF16") throw ModelError("holds numbers of type " + type);
    const std::uint64_t bytes = type == "F32" ? 4 : 2;
    Tensor tensor;
    std::uint64_t count = 1;
    for (const Json& length : entry.at("shape")) {
        if (!length.is_number_unsigned() || length.get<std::uint64_t>() > MOST_VALUES) throw ModelError("has a wrong shape");
        tensor.shape.push_back(length.get<int>());
        count *= length.get<std::uint64_t>();
        if (count > MOST_VALUES) throw ModelError("is too large");
    }
    const Json& offsets = entry.at("data_offsets");
    if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
        throw ModelError("has no offsets");
    const auto first = offsets[0].get<std::uint64_t>(), last = offsets[1].get<std::uint64_t>();
    if (first > last || last > size || last - first != count * bytes) throw ModelError("does not fit the file");
    tensor.values.resize(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        tensor.values[i] = value_at(data + first + i * bytes, type);
        if (!std::isfinite(tensor.values[i])) throw ModelError("holds numbers that are not finite");
    }
    return tensor;
}

}  // namespace

std::map<std::string, Tensor> parse_safetensors(const std::string& content) {
    if (content.size() < LENGTH_BYTES) throw ModelError("it is too short to be a .safetensors file");
    const std::uint64_t header = little_endian(content.data(), LENGTH_BYTES), rest = content.size() - LENGTH_BYTES;
    if (header > rest || header > LARGEST_HEADER) throw ModelError("it is no .safetensors file");
    std::map<std::string, Tensor> tensors;
    const char* data = content.data() + LENGTH_BYTES + header;
    std::string name;
    try {
        const Json table = Json::parse(content.begin() + LENGTH_BYTES, content.begin() + LENGTH_BYTES + header);
        if (!table.is_object()) throw ModelError("its header is no table");
        for (const auto& entry : table.items()) {
            if (entry.key() == "__metadata__") continue;
            name = "its " + entry.key() + " ";
            tensors[entry.key()] = read_tensor(entry.value(), data, rest - header);
        }
    } catch (const Json::exception& error) {
        throw ModelError(std::string("its header is damaged: ") + error.what());
    } catch (const ModelError& error) {
        throw ModelError(name + error.what());
    }
    return tensors;
}

}  // namespace stems
