#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "model.hpp"

namespace stems {

/// What tells one model from another.
using ModelNumber = std::uint64_t;

inline ModelNumber number_of(const Model& model) { return std::stoull(model.card.sha256.substr(0, 16), nullptr, 16); }

/// Where the clusters are while they are frozen, for the session: written on the audio thread, read on any other.
///
/// As text, 16 hexadecimal digits of the model's number, then 8 of the bits of each coordinate.
class FrozenClusters {
public:
    static constexpr int LARGEST = 4096;  // coordinates; clusters of larger models are not kept

    void set(ModelNumber model, const float* centroids, int size) {
        if (size > LARGEST) return forget();
        for (int i = 0; i < size; ++i) centroids_[i].store(centroids[i], std::memory_order_relaxed);
        model_.store(model, std::memory_order_relaxed);
        size_.store(size, std::memory_order_release);
    }

    void forget() { size_.store(0, std::memory_order_release); }

    /// Those of a model, (stems, dimensions); nothing where none are known of it.
    std::vector<float> of(const Model& model) const {
        const int size = size_.load(std::memory_order_acquire);
        if (size != static_cast<int>(model.anchors.size()) || model_.load(std::memory_order_relaxed) != number_of(model))
            return {};
        return std::vector<float>(centroids_.begin(), centroids_.begin() + size);
    }

    std::string text() const {
        const int size = size_.load(std::memory_order_acquire);
        std::string text;
        if (size == 0) return text;
        write(text, model_.load(std::memory_order_relaxed), 16);
        for (int i = 0; i < size; ++i) {
            const float value = centroids_[i].load(std::memory_order_relaxed);
            std::uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            write(text, bits, 8);
        }
        return text;
    }

    /// Forgets what was known where the text is none of `text`.
    void read(const std::string& text) {
        forget();
        if (text.size() <= 16 || text.size() % 8 != 0) return;
        const std::size_t size = text.size() / 8 - 2;
        if (size > LARGEST) return;
        if (text.find_first_not_of("0123456789abcdef") != std::string::npos) return;
        std::vector<float> centroids(size);
        for (std::size_t i = 0; i < size; ++i) {
            const auto bits = static_cast<std::uint32_t>(std::stoul(text.substr(16 + 8 * i, 8), nullptr, 16));
            std::memcpy(&centroids[i], &bits, sizeof bits);
            if (!(centroids[i] >= -1.001f && centroids[i] <= 1.001f)) return;
        }
        set(std::stoull(text.substr(0, 16), nullptr, 16), centroids.data(), static_cast<int>(size));
    }

private:
    static void write(std::string& text, std::uint64_t value, int digits) {
        for (int digit = digits - 1; digit >= 0; --digit) text += "0123456789abcdef"[value >> (4 * digit) & 15];
    }

    std::atomic<int> size_{0};
    std::atomic<ModelNumber> model_{0};
    std::array<std::atomic<float>, LARGEST> centroids_{};
};

}  // namespace stems
