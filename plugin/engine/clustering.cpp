#include "clustering.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "network.hpp"

namespace stems {
namespace {

constexpr double PRIOR_SECONDS = 0.1;   // of music, as much as which the anchors weigh in the clusters at the start
constexpr double ANCHORED_SECONDS = 1;  // of music, after which the centroids lie half-way between anchors and clusters
constexpr double ANCHORED = 0.4;        // share of the way from the clusters to the anchors at which the centroids stay

}  // namespace

RunningCentroids::RunningCentroids(const Model& model, const Grid& grid)
    : stems_(static_cast<int>(model.card.stems.size())), dimensions_(model.card.network.dimensions),
      bands_(model.card.bands.count),
      points_(std::clamp(static_cast<int>(std::nearbyint(model.card.share * bands_)), 1, bands_)),
      frame_seconds_(grid.frame_seconds()), pull_(static_cast<float>(model.card.pull) / stems_),
      exponent_(static_cast<float>(model.card.weight_exponent / 2)), anchors_(model.anchors), centroids_(anchors_),
      sums_(anchors_), found_(anchors_), shares_(static_cast<std::size_t>(stems_) * bands_), order_(bands_) {
    std::vector<float> usual = model.card.bands.widths(grid);  // what music of usual loudness weighs
    for (float& width : usual) width = weigh(2 * std::pow(10.0f, CENTRE_DB / 10) * width);
    std::sort(usual.begin(), usual.end(), std::greater<float>());
    first_weight_ = std::accumulate(usual.begin(), usual.begin() + points_, 0.0f);
    reset();
}

void RunningCentroids::reset() {
    if (follow_seconds_ == 0) return;  // a host resets before it renders, which shall sound as what was played
    centroids_ = anchors_;
    weight_ = first_weight_;
    heard_ = 0;
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] = anchors_[i] * (weight_ / stems_);
}

void RunningCentroids::place(const float* centroids) { std::copy_n(centroids, centroids_.size(), centroids_.begin()); }

void RunningCentroids::set_follow_seconds(double seconds) { follow_seconds_ = seconds; }

float RunningCentroids::weigh(float power) const { return std::pow(std::max(power, 0.0f), exponent_); }

void RunningCentroids::follow(const float* embeddings, const float* powers, float kappa) {
    assign(embeddings, kappa);
    std::iota(order_.begin(), order_.end(), 0);
    std::nth_element(order_.begin(), order_.begin() + points_ - 1, order_.end(),
                     [powers](int one, int other) { return powers[one] > powers[other]; });
    std::fill(found_.begin(), found_.end(), 0.0f);
    float weight = 0;
    for (int point = 0; point < points_; ++point) {
        const int band = order_[point];
        const float* embedding = embeddings + static_cast<std::size_t>(band) * dimensions_;
        const float weighs = weigh(powers[band]);
        weight += weighs;
        for (int stem = 0; stem < stems_; ++stem) {
            const float part = weighs * shares_[static_cast<std::size_t>(stem) * bands_ + band];
            float* sum = &found_[static_cast<std::size_t>(stem) * dimensions_];
            for (int i = 0; i < dimensions_; ++i) sum[i] += part * embedding[i];
        }
    }
    if (weight > 0 && follow_seconds_ > 0) move(weight);  // in digital silence everything rests
}

void RunningCentroids::move(float weight) {
    heard_ += frame_seconds_;
    const float fade = static_cast<float>(1 - std::exp(-frame_seconds_ / std::min(follow_seconds_, PRIOR_SECONDS + heard_)));
    const float anchored = static_cast<float>(std::max(ANCHORED, ANCHORED_SECONDS / (ANCHORED_SECONDS + heard_)));
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += fade * (found_[i] - sums_[i]);
    weight_ += fade * (weight - weight_);
    for (std::size_t i = 0; i < sums_.size(); ++i) centroids_[i] = sums_[i] / weight_ + pull_ * anchors_[i];
    normalize_centroids();
    for (std::size_t i = 0; i < sums_.size(); ++i) centroids_[i] += anchored * (anchors_[i] - centroids_[i]);
    normalize_centroids();
}

void RunningCentroids::normalize_centroids() {
    for (int stem = 0; stem < stems_; ++stem) {
        float* centroid = &centroids_[static_cast<std::size_t>(stem) * dimensions_];
        const float square = std::inner_product(centroid, centroid + dimensions_, centroid, 0.0f);
        const float factor = 1.0f / std::max(std::sqrt(square), 1e-12f);
        for (int i = 0; i < dimensions_; ++i) centroid[i] *= factor;
    }
}

void RunningCentroids::assign(const float* embeddings, float kappa) {
    for (int band = 0; band < bands_; ++band) {
        const float* embedding = embeddings + static_cast<std::size_t>(band) * dimensions_;
        float largest = -INFINITY;
        for (int stem = 0; stem < stems_; ++stem) {
            const float* centroid = &centroids_[static_cast<std::size_t>(stem) * dimensions_];
            float cosine = 0;
            for (int i = 0; i < dimensions_; ++i) cosine += embedding[i] * centroid[i];
            shares_[static_cast<std::size_t>(stem) * bands_ + band] = kappa * cosine;
            largest = std::max(largest, kappa * cosine);
        }
        for (int stem = 0; stem < stems_; ++stem) shares_[static_cast<std::size_t>(stem) * bands_ + band] -= largest;
    }
    kernels().exponential(shares_.data(), shares_.data(), stems_ * bands_);
    for (int band = 0; band < bands_; ++band) {
        float sum = 0;
        for (int stem = 0; stem < stems_; ++stem) sum += shares_[static_cast<std::size_t>(stem) * bands_ + band];
        for (int stem = 0; stem < stems_; ++stem) shares_[static_cast<std::size_t>(stem) * bands_ + band] /= sum;
    }
}

}  // namespace stems
