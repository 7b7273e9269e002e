#pragma once

#include <vector>

#include "model.hpp"

namespace stems {

/// Online spherical k-means: centroids that start at the anchors and follow the music.
///
/// They lie between the anchors and the clusters' means, at first by the anchors; `stems.stream.RunningCentroids` says why.
class RunningCentroids {
public:
    RunningCentroids(const Model& model, const Grid& grid);

    /// Back to the anchors, unless they are frozen.
    void reset();
    /// Time constant with which the centroids follow the music, in seconds, once as much has been heard; 0 freezes them.
    void set_follow_seconds(double seconds);
    /// Has them begin elsewhere than at the anchors: (stems, dimensions), of unit length. They stay there while frozen.
    void place(const float* centroids);
    /// Shares of the stems in a frame, by the centroids that the frames before it left.
    ///
    /// embeddings: (bands, dimensions); powers: (bands,); kappa: sharpness of the assignment. -> shares()
    void follow(const float* embeddings, const float* powers, float kappa);

    /// (stems, bands), which sum to one over the stems.
    const float* shares() const { return shares_.data(); }
    /// (stems, dimensions), of unit length.
    const float* centroids() const { return centroids_.data(); }
    double cost() const { return 8.0 * bands_ * stems_ * dimensions_; }

private:
    void assign(const float* embeddings, float kappa);
    float weigh(float power) const;
    void move(float weight);
    void normalize_centroids();

    int stems_, dimensions_, bands_, points_;
    double frame_seconds_, follow_seconds_ = 3, heard_ = 0;  // heard_: seconds that sounded
    float pull_, exponent_, first_weight_, weight_ = 0;
    std::vector<float> anchors_, centroids_, sums_, found_, shares_;
    std::vector<int> order_;
};

}  // namespace stems
