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

/// What a stream knows of a song that it has not heard to its end, and how fast it forgets.
struct Running {
    double loudness_seconds = 5.0;  // that the running loudness covers, as long as the excerpts of training
    double known_loudness = 0.1;    // root mean square of the excerpts in training, full scale is 1
    double faintest = 1e-8;         // power; fainter hops say nothing about the loudness of the music
    double gate = 1e-4;             // of the loudest power; quieter hops do not count
    double follow_seconds = 3.0;    // time constant with which the centroids follow the music
    double clustered_share = 0.2;   // of the bands of a frame: its loudest place the centroids
};

/// Everything about a model but its weights, from the card beside them.
struct Card {
    std::string name, licence, sha256;
    std::vector<std::string> stems;
    Bands bands;
    NetworkShape network;
    Running running;
    double pull = 0.05, weight_exponent = 0.5;
};

/// Reads a card from its JSON; throws ModelError where it is none, or that of a model that cannot run live.
Card parse_card(const std::string& json);

}  // namespace stems
