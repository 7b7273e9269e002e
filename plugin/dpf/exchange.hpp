#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "frozen_clusters.hpp"
#include "stream.hpp"

namespace stems {

/// A stream, which fader each of its stems has, and of which model it is.
struct FadedStream : Stream {
    std::vector<int> faders;
    ModelNumber model;
    int size;  // of its centroids

    FadedStream(const Model& model, double sample_rate, int channels, int mixes, std::vector<int> faders)
        : Stream(model, sample_rate, channels, mixes), faders(std::move(faders)), model(number_of(model)),
          size(static_cast<int>(model.anchors.size())) {}
};

/// What comes out of a stream, while one that is new takes over from the one that ran.
///
/// Streams are made and destroyed by the threads that call `offer`, never by the one that calls `run`. The new one hears
/// the music until it is warm, and then they fade into each other.
class Exchange {
public:
    static constexpr int LONGEST = 512;  // samples of a block

    Exchange(int channels, int mixes);
    ~Exchange();

    /// Has a stream take over as soon as it is warm. Not on the audio thread.
    void offer(std::unique_ptr<FadedStream> stream);
    /// Has the stream that was offered last take over at once, and forgets what was heard; while nothing runs.
    void settle();
    /// The stream that runs; on the audio thread, or while nothing runs. NULL if there was none yet.
    FadedStream* current() { return current_; }
    /// Whether another stream is about to take over; on the audio thread, or while nothing runs.
    bool is_changing() const { return incoming_ || offered_.load(); }
    /// Calls `set(stream)` for all that run.
    template <typename Set>
    void for_all(Set set) {
        if (current_) set(*current_);
        if (incoming_) set(*incoming_);
    }
    /// See `Stream::run`, of at most `LONGEST` samples. Silence if there is no stream.
    void run(const float* const* input, float* const* mixture, float* const* mixes, int samples);

private:
    void fade(float* const* lines, float* const* incoming, int count, int first, int samples) const;
    void finish();

    int channels_, mixes_;
    std::atomic<FadedStream*> offered_{nullptr}, retired_{nullptr};
    FadedStream *current_ = nullptr, *incoming_ = nullptr;
    int age_ = 0;                                // samples that the incoming stream has heard
    std::vector<std::vector<float>> buffers_;    // the incoming stream's mixture and mixes
    std::vector<float*> incoming_lines_;
};

}  // namespace stems
