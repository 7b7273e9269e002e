#pragma once

#include <memory>
#include <vector>

#include "model.hpp"
#include "recurrent.hpp"
#include "step.hpp"
#include "texture.hpp"

namespace stems {

constexpr float CENTRE_DB = -55.0f, SPREAD_DB = 20.0f;  // where the band levels of music lie at -20 dBFS

/// Levels of a mixture -> embeddings, frame by frame (Hershey et al. 2015, arXiv 1508.04306).
class Network {
public:
    explicit Network(const Model& model);
    Network(const Network&) = delete;  // its steps point to it

    /// Forgets all frames.
    void reset();
    /// What is to be done for a frame, in order; the same for every frame.
    Steps steps();

    /// Where the levels of mid and side belong, in dB: (2, bands).
    float* levels() { return levels_.data(); }
    /// What the last step left: (bands, dimensions), each of unit length.
    const float* embeddings() const { return embeddings_.data(); }

private:
    void scale();
    void gather();
    void embed();
    void normalise(const float* in, int stride);

    NetworkShape shape_;
    std::vector<float> scale_, shift_, levels_, features_, queries_out_, cells_, read_, placed_, embeddings_;
    std::unique_ptr<Texture> texture_;
    std::unique_ptr<Recurrent> recurrent_;
    Matrix queries_, reading_, embedding_;
};

}  // namespace stems
