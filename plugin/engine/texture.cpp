#include "texture.hpp"

#include <algorithm>

namespace stems {
namespace {

constexpr int POOLED_BANDS = 4;         // that are summarised as one for layers which are given whole frames
constexpr float ABOVE = -2.0f;          // the scaled level of overtones above the last band
constexpr int SPREADS[] = {3, 9, 2, 6};  // bands between the neighbours that deeper convolutions look at

/// Kernels as torch keeps them, (out, in, frames, taps), with rows in the order in which cells lie in memory.
Matrix packed(const Weights& weights, const std::string& name, int out, int in, int frames, int taps, int width) {
    const std::vector<float>& kernel = weights.get(name + ".weight", {out, in, frames, taps});
    std::vector<float> rows(static_cast<std::size_t>(frames) * taps * width * out);
    for (int o = 0; o < out; ++o)
        for (int i = 0; i < in; ++i)
            for (int place = 0; place < frames * taps; ++place)
                rows[(static_cast<std::size_t>(place) * width + i) * out + o] =
                    kernel[(static_cast<std::size_t>(o) * in + i) * frames * taps + place];
    return Matrix(rows, weights.get(name + ".bias", {out}), frames * taps * width, out);
}

int padded(int channels) { return (channels + PANEL - 1) / PANEL * PANEL; }

}  // namespace

Convolution::Convolution(const Weights& weights, const std::string& name, int bands, int width, int channels_in,
                         int channels_out, int frames, int taps, int spread)
    : bands_(bands), width_(width), frames_(frames), taps_(taps), spread_(spread),
      slot_size_((bands + (taps - 1) * spread) * width),
      matrix_(packed(weights, name, channels_out, channels_in, frames, taps, width)),
      held_(static_cast<std::size_t>(frames) * slot_size_) {}

void Convolution::reset() { std::fill(held_.begin(), held_.end(), 0.0f); }

float* Convolution::next() {
    newest_ = (newest_ + 1) % frames_;
    return &held_[static_cast<std::size_t>(newest_) * slot_size_ + (taps_ - 1) / 2 * spread_ * width_];
}

void Convolution::apply(float* out) const {
    Segment segments[256];
    const int pieces = spread_ == 1 ? 1 : taps_;  // neighbours that touch are one piece
    for (int frame = 0; frame < frames_; ++frame) {
        const float* slot = &held_[static_cast<std::size_t>((newest_ + 1 + frame) % frames_) * slot_size_];
        for (int piece = 0; piece < pieces; ++piece)
            segments[frame * pieces + piece] = {slot + piece * spread_ * width_, taps_ / pieces * width_};
    }
    matrix_.apply(segments, frames_ * pieces, {bands_, width_, padded()}, out);
}

Texture::Texture(const Weights& weights, const Card& card)
    : bands_(card.network.bands), kept_channels_(card.network.texture),
      pooled_bands_(card.network.groups ? 1 : POOLED_BANDS),
      first_(weights, "network.texture.first", bands_, 2 + static_cast<int>(card.network.overtones.size()),
             2 + static_cast<int>(card.network.overtones.size()), card.network.channels, 2 * card.network.reach + 1, 7, 1),
      second_(weights, "network.texture.second", bands_, padded(card.network.channels), card.network.channels,
              card.network.channels, 2 * card.network.reach + 1, 5, 1),
      kept_(packed(weights, "network.texture.kept", kept_channels_, card.network.channels, 1, 1, second_.padded())),
      pooled_(packed(weights, "network.texture.pooled", 2 * kept_channels_, card.network.channels, 1, pooled_bands_,
                     second_.padded())) {
    const int channels = card.network.channels;
    for (int depth = 0; depth < card.network.depth; ++depth)
        deeper_.emplace_back(weights, "network.texture.deeper." + std::to_string(depth), bands_, padded(channels), channels,
                             channels, std::min(2 * card.network.reach + 1, 3), 5, SPREADS[depth]);
    for (const double multiple : card.network.overtones) overtones_.push_back(card.bands.at_multiple(multiple));
    found_.resize(static_cast<std::size_t>(bands_) * padded(channels));
    added_ = found_;
    kept_out_.resize(static_cast<std::size_t>(bands_) * kept_.padded());
    pooled_out_.resize(static_cast<std::size_t>(bands_ / pooled_bands_) * pooled_.padded());
}

void Texture::reset() {
    first_.reset();
    second_.reset();
    for (Convolution& layer : deeper_) layer.reset();
}

Steps Texture::steps(const float* levels) {
    Steps steps;
    steps.push_back({first_.cost(), [this, levels] {
                         take(levels);
                         float* next = second_.next();
                         first_.apply(next);
                         kernels().relu(next, next, static_cast<int>(found_.size()));
                     }});
    steps.push_back({second_.cost(), [this] {
                         second_.apply(found_.data());
                         kernels().relu(found_.data(), found_.data(), static_cast<int>(found_.size()));
                     }});
    for (Convolution& layer : deeper_) steps.push_back({layer.cost(), [this, &layer] { deepen(layer); }});
    steps.push_back({kept_.cost(bands_) + pooled_.cost(bands_ / pooled_bands_), [this] { read(); }});
    return steps;
}

void Texture::take(const float* levels) {
    float* cell = first_.next();
    for (int band = 0; band < bands_; ++band) {
        *cell++ = levels[band];
        *cell++ = levels[bands_ + band];
        for (const std::vector<int>& at : overtones_) *cell++ = at[band] < bands_ ? levels[at[band]] : ABOVE;
    }
}

void Texture::deepen(Convolution& layer) {
    const int size = static_cast<int>(found_.size());
    kernels().relu(found_.data(), layer.next(), size);
    layer.apply(added_.data());
    kernels().add(added_.data(), found_.data(), size);
}

void Texture::read() {
    const int width = second_.padded(), places = bands_ / pooled_bands_;
    kept_.apply(found_.data(), {bands_, width, kept_.padded()}, kept_out_.data());
    pooled_.apply(found_.data(), {places, pooled_bands_ * width, pooled_.padded()}, pooled_out_.data());
    kernels().relu(pooled_out_.data(), pooled_out_.data(), static_cast<int>(pooled_out_.size()));
}

}  // namespace stems
