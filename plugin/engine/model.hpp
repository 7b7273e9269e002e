#pragma once

#include <map>
#include <string>
#include <vector>

#include "card.hpp"
#include "kernels.hpp"
#include "safetensors.hpp"

namespace stems {

/// The weights of a model by name, each of which must be asked for in its own shape.
class Weights {
public:
    Weights() = default;
    /// Names that older files give are translated.
    explicit Weights(std::map<std::string, Tensor> tensors);

    /// Throws ModelError if there is none of that name and shape.
    const std::vector<float>& get(const std::string& name, const std::vector<int>& shape) const;
    /// A linear layer as torch keeps it: `name.weight` (columns, rows) and `name.bias` (columns,).
    Matrix linear(const std::string& name, int rows, int columns) const;

private:
    std::map<std::string, Tensor> tensors_;
};

/// A separation model as its files have it: card, weights, anchors and sharpness.
struct Model {
    Card card;
    Weights weights;
    std::vector<float> anchors;  // (stems, dimensions), of unit length
    float kappa;                 // the learned sharpness of the assignments

    /// Reads a `.safetensors` file and the card beside it.
    ///
    /// Throws ModelError if either is missing or damaged, or if the model cannot run live.
    static Model load(const std::string& path);
    /// The same from the contents of both files; `path` is named in messages.
    static Model parse(const std::string& path, const std::string& content, const std::string& card);
};

}  // namespace stems
