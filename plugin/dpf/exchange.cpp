#include "exchange.hpp"

#include <algorithm>

namespace stems {
namespace {

constexpr int FADE = 2048;          // samples that two streams fade into each other
constexpr int WARM_UP_HOPS = 64;    // that a stream hears before it is heard itself, beside its latency

int warm_after(const Stream& stream) { return stream.latency() + WARM_UP_HOPS * stream.grid().hop; }

}  // namespace

Exchange::Exchange(int channels, int mixes)
    : channels_(channels), mixes_(mixes), buffers_(channels * (1 + mixes), std::vector<float>(LONGEST)) {
    for (std::vector<float>& buffer : buffers_) incoming_lines_.push_back(buffer.data());
}

Exchange::~Exchange() {
    for (FadedStream* stream : {offered_.load(), retired_.load(), current_, incoming_}) delete stream;
}

void Exchange::offer(std::unique_ptr<FadedStream> stream) {
    delete retired_.exchange(nullptr);
    delete offered_.exchange(stream.release());
}

void Exchange::settle() {
    if (FadedStream* offered = offered_.exchange(nullptr)) {
        delete current_;
        delete incoming_;
        current_ = offered;
        incoming_ = nullptr;
    }
    if (incoming_) {
        delete current_;
        current_ = incoming_;
        incoming_ = nullptr;
    }
    if (current_) current_->reset();
}

void Exchange::run(const float* const* input, float* const* mixture, float* const* mixes, int samples) {
    if (!incoming_ && !retired_.load()) {
        incoming_ = offered_.exchange(nullptr);
        age_ = 0;
        if (!current_) std::swap(current_, incoming_);
    }
    if (!current_) {
        for (int channel = 0; channel < channels_; ++channel) std::fill_n(mixture[channel], samples, 0.0f);
        for (int line = 0; line < mixes_ * channels_; ++line) std::fill_n(mixes[line], samples, 0.0f);
        return;
    }
    if (incoming_) incoming_->run(input, incoming_lines_.data(), incoming_lines_.data() + channels_, samples);
    current_->run(input, mixture, mixes, samples);
    if (!incoming_) return;
    const int since = age_ - warm_after(*incoming_);
    fade(mixture, incoming_lines_.data(), channels_, since, samples);
    fade(mixes, incoming_lines_.data() + channels_, mixes_ * channels_, since, samples);
    age_ += samples;
    if (since + samples >= FADE) finish();
}

void Exchange::fade(float* const* lines, float* const* incoming, int count, int first, int samples) const {
    for (int line = 0; line < count; ++line)
        for (int i = 0; i < samples; ++i) {
            const float share = std::clamp(static_cast<float>(first + i) / FADE, 0.0f, 1.0f);
            lines[line][i] += share * (incoming[line][i] - lines[line][i]);
        }
}

void Exchange::finish() {
    retired_.store(current_);
    current_ = incoming_;
    incoming_ = nullptr;
}

}  // namespace stems
