#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <utility>

#include "error.hpp"
#include "sha256.hpp"

namespace stems {
namespace {

// What names of format 1 begin with, and what they begin with now.
constexpr std::pair<const char*, const char*> RENAMED[] = {
    {"network.hints.", "network.queries."},
    {"network.recurrent.entrance.", "network.recurrent.input_projection."},
    {"network.recurrent.exit.", "network.recurrent.output_projection."},
    {"network.recurrent.weight_", "network.recurrent.lstm.weight_"},
    {"network.recurrent.bias_", "network.recurrent.lstm.bias_"},
    {"log_sensitivity", "log_kappa"},
};

std::string name_today(const std::string& name) {
    for (const auto& [before, now] : RENAMED)
        if (name.rfind(before, 0) == 0) return now + name.substr(std::string(before).size());
    return name;
}

std::string content_of(const std::string& path, const std::string& missing) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (!file || !(content << file.rdbuf())) throw ModelError(missing);
    return content.str();
}

}  // namespace

Weights::Weights(std::map<std::string, Tensor> tensors) {
    for (auto& [name, tensor] : tensors) tensors_[name_today(name)] = std::move(tensor);
}

const std::vector<float>& Weights::get(const std::string& name, const std::vector<int>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw ModelError("it has no " + name);
    if (found->second.shape != shape) throw ModelError("its " + name + " has another shape than its card says");
    return found->second.values;
}

Matrix Weights::linear(const std::string& name, int rows, int columns) const {
    const std::vector<float>& weight = get(name + ".weight", {columns, rows});
    std::vector<float> turned(weight.size());
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column)
            turned[static_cast<std::size_t>(row) * columns + column] = weight[static_cast<std::size_t>(column) * rows + row];
    return Matrix(turned, get(name + ".bias", {columns}), rows, columns);
}

Model Model::load(const std::string& path) {
    const std::string ending = ".safetensors";
    if (path.size() <= ending.size() || path.compare(path.size() - ending.size(), ending.size(), ending) != 0)
        throw ModelError(path + " is no .safetensors file: choose one that `stems train` wrote, or the shipped one.");
    const std::string card_path = path.substr(0, path.size() - ending.size()) + ".json";
    const std::string content = content_of(path, path + " cannot be read: choose a model that is there.");
    return parse(path, content, content_of(card_path, path + " has no card: " + card_path + " must lie beside it."));
}

Model Model::parse(const std::string& path, const std::string& content, const std::string& card) {
    try {
        Model model{parse_card(card), {}, {}, 0};
        if (sha256(content) != model.card.sha256)
            throw ModelError("its contents do not match its card (copy or download both again)");
        model.weights = Weights(parse_safetensors(content));
        const int dimensions = model.card.network.dimensions, stems = static_cast<int>(model.card.stems.size());
        model.anchors = model.weights.get("raw_anchors", {stems, dimensions});
        for (int stem = 0; stem < stems; ++stem) {
            float* anchor = &model.anchors[static_cast<std::size_t>(stem) * dimensions];
            double square = 0;
            for (int i = 0; i < dimensions; ++i) square += static_cast<double>(anchor[i]) * anchor[i];
            const double length = std::max(std::sqrt(square), 1e-12);
            for (int i = 0; i < dimensions; ++i) anchor[i] = static_cast<float>(anchor[i] / length);
        }
        model.kappa = std::exp(model.weights.get("log_kappa", {})[0]);
        return model;
    } catch (const ModelError& error) {
        throw ModelError(path + " cannot be used: " + error.what() + ".");
    } catch (const std::bad_alloc&) {
        throw ModelError(path + " cannot be used: it is too large.");
    }
}

}  // namespace stems
