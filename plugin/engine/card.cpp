#include "card.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "error.hpp"

namespace stems {
namespace {

using Json = nlohmann::json;

constexpr int LARGEST_SIZE = 8192;  // of anything in a card; damage, not a model, if it is beyond

void read(const Json& table, const char* key, int& value, int lowest, int highest = LARGEST_SIZE) {
    const auto found = table.find(key);
    if (found == table.end()) return;
    if (!found->is_number_integer()) throw ModelError(std::string(key) + " is no whole number");
    const auto number = found->get<long long>();
    if (number < lowest || number > highest)
        throw ModelError(std::string(key) + " is out of range (" + std::to_string(number) + ")");
    value = static_cast<int>(number);
}

void read(const Json& table, const char* key, double& value, double lowest, double highest) {
    const auto found = table.find(key);
    if (found == table.end()) return;
    const double number = found->is_number() ? found->get<double>() : NAN;
    if (!(number >= lowest && number <= highest)) throw ModelError(std::string(key) + " is out of range");
    value = number;
}

void read(const Json& table, const char* key, bool& value) {
    if (const auto found = table.find(key); found != table.end()) value = found->get<bool>();
}

Json part(const Json& table, const char* key) {
    const auto found = table.find(key);
    if (found == table.end()) return Json::object();
    if (!found->is_object()) throw ModelError(std::string(key) + " is no table");
    return *found;
}

Bands read_bands(const Json& table) {
    Bands bands;
    read(table, "count", bands.count, 2);
    read(table, "single_hz", bands.single_hz, 1, 22050);
    read(table, "top_hz", bands.top_hz, 1, 22050);
    read(table, "reference_window", bands.reference_window, 64, 1 << 16);
    read(table, "reference_synthesis", bands.reference_synthesis, 0, 1 << 16);
    if (const int synthesis = bands.reference_synthesis; synthesis && (synthesis < 64 || bands.reference_window % synthesis))
        throw ModelError("reference_synthesis does not divide its reference_window");
    bands.edges();
    return bands;
}

NetworkShape read_network(const Json& table) {
    NetworkShape shape;
    read(table, "bands", shape.bands, 1);
    read(table, "dimensions", shape.dimensions, 1, 1024);
    read(table, "layers", shape.layers, 1, 64);
    read(table, "units", shape.units, 1, 4096);
    read(table, "bidirectional", shape.bidirectional);
    read(table, "channels", shape.channels, 0, 1024);
    read(table, "texture", shape.texture, 1, 1024);
    for (const char* key : {"hints", "queries"}) read(table, key, shape.queries, 1, 1024);
    read(table, "reach", shape.reach, 0, 64);
    read(table, "depth", shape.depth, 0, 4);
    read(table, "groups", shape.groups, 0);
    read(table, "width", shape.width, 1, 4096);
    read(table, "stride", shape.stride, 1, 64);
    if (const auto found = table.find("overtones"); found != table.end())
        for (const Json& multiple : *found) {
            if (!multiple.is_number() || !(multiple.get<double>() > 0 && multiple.get<double>() < 1000))
                throw ModelError("overtones are out of range");
            shape.overtones.push_back(multiple.get<double>());
        }
    if (shape.overtones.size() > 64) throw ModelError("there are too many overtones");
    if (shape.groups && shape.bands % shape.groups) throw ModelError("groups do not divide its bands");
    return shape;
}

std::string text(const Json& table, const char* key) {
    const auto found = table.find(key);
    return found != table.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Card read_card(const Json& json) {
    const std::string format = json.is_object() ? text(json, "format") : "";
    if (format != "stems-model/2" && format != "stems-model/1") throw ModelError("its format should be 'stems-model/2'");
    const Json design = part(json, "design"), clustering = part(design, "clustering");
    Card card{text(json, "name"), text(json, "licence"), text(json, "sha256"), {}, {}, {}, {}};
    card.bands = read_bands(part(design, "bands"));
    card.network = read_network(part(design, "network"));
    read(clustering, "pull", card.pull, 0, 1e6);
    read(clustering, "weight_exponent", card.weight_exponent, 0, 10);
    read(clustering, "share", card.share, 0, 1);
    read(design, "loudness", card.loudness, 1e-6, 10);
    bool anchored = true;
    read(clustering, "anchored", anchored);
    card.stems = design.value("stems", std::vector<std::string>{"drums", "bass", "vocals", "other"});
    if (card.stems.empty() || card.stems.size() > 64) throw ModelError("it has no stems, or too many");
    if (card.network.bands != card.bands.count) throw ModelError("its network and its bands differ in number");
    if (card.network.bidirectional) throw ModelError("it hears the future (it is bidirectional), so it cannot run live");
    if (card.network.groups && card.network.stride > 1)
        throw ModelError("it hears several frames as one, so it cannot run live");
    if (!anchored) throw ModelError("it has no anchors, so its stems have no names");
    return card;
}

}  // namespace

Card parse_card(const std::string& json) {
    try {
        return read_card(Json::parse(json));
    } catch (const Json::exception& error) {
        throw ModelError(error.what());
    }
}

}  // namespace stems
