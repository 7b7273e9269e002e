#pragma once

#include <string>
#include <vector>

#include "bands.hpp"

namespace stems {

/// Sizes of a network; see `stems.network` in Python, where each is explained.
struct NetworkShape {
    int bands = 192, dimensions = 20, layers = 3, units = 256;
    bool bidirectional = true;
    int channels = 0, texture = 4, queries = 8, reach = 2, depth = 0;
    std::vector<double> overtones;
    int groups = 0, width = 64, stride = 2;
};

/// Everything about a model but its weights, from the card beside them.
struct Card {
    std::string name, licence, sha256;
    std::vector<std::string> stems;
    Bands bands;
    NetworkShape network;
    double pull = 0.05, weight_exponent = 0.5;
    double share = 0.2;     // of the bands of a frame that place the centroids: its loudest
    double loudness = 0.1;  // root mean square of the mixtures in training, full scale is 1
};

/// Reads a card from its JSON; throws ModelError where it is none, or that of a model that cannot run live.
Card parse_card(const std::string& json);

}  // namespace stems
