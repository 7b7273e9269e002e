#pragma once

#include <string>
#include <vector>

#include "model.hpp"
#include "step.hpp"

namespace stems {

/// A convolution over the last frames and neighbouring bands of them, frame by frame.
class Convolution {
public:
    /// width: numbers of a cell that it is given, of which the first `channels_in` count.
    Convolution(const Weights& weights, const std::string& name, int bands, int width, int channels_in, int channels_out,
                int frames, int taps, int spread);

    void reset();
    /// Where the next frame belongs: (bands, width). What it held before is the oldest frame, which is forgotten.
    float* next();
    /// What it makes of the last frames: (bands, padded()).
    void apply(float* out) const;
    int padded() const { return matrix_.padded(); }
    double cost() const { return matrix_.cost(bands_); }

private:
    int bands_, width_, frames_, taps_, spread_, slot_size_, newest_ = 0;
    Matrix matrix_;
    std::vector<float> held_;  // (frames, edge + bands + edge, width), the edges silent
};

/// What the surroundings of each cell look like; see `stems.texture` in Python.
class Texture {
public:
    Texture(const Weights& weights, const Card& card);
    Texture(const Texture&) = delete;  // its steps point to it

    void reset();
    /// levels: (2, bands), scaled, which is read when the steps run.
    Steps steps(const float* levels);

    int pooled_bands() const { return pooled_bands_; }
    int pooled_kinds() const { return 2 * kept_channels_; }
    /// What is kept of a cell, (texture,).
    const float* kept(int band) const { return &kept_out_[static_cast<std::size_t>(band) * kept_.padded()]; }
    /// Summary of neighbouring bands, (pooled_kinds,).
    const float* pooled(int place) const { return &pooled_out_[static_cast<std::size_t>(place) * pooled_.padded()]; }

private:
    void take(const float* levels);
    void deepen(Convolution& layer);
    void read();

    int bands_, kept_channels_, pooled_bands_;
    std::vector<std::vector<int>> overtones_;
    Convolution first_, second_;
    std::vector<Convolution> deeper_;
    Matrix kept_, pooled_;
    std::vector<float> found_, added_, kept_out_, pooled_out_;
};

}  // namespace stems
