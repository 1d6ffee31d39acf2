// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "report/html_parts.h"
#include "report/phrases.h"

namespace kebound::report::html {
namespace {

using events::Disposition;

constexpr Disposition kEnds[] = {Disposition::Handled, Disposition::Propagated,
                                 Disposition::Terminated};

std::string percent(double share) { return fmt::format("{:.3f}%", share * 100); }

double share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string ends_in_words(const uint64_t (&by_disposition)[kDispositions]) {
  std::string text;
  for (const auto end : kEnds) {
    const uint64_t count = by_disposition[static_cast<size_t>(end)];
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(count), disposition_name(end));
  }
  return text.empty() ? "none" : text;
}

uint64_t sum_of(const Timeline::Bin& bin) { return bin[0] + bin[1] + bin[2]; }

void bins_as_table(HtmlWriter& html, const Timeline& timeline) {
  html.markup(
      "<details><summary>As a table</summary><div class=\"scroll\"><table><thead><tr>"
      "<th scope=\"col\">From</th><th scope=\"col\">Handled</th><th scope=\"col\">Propagated</th>"
      "<th scope=\"col\">Terminated</th></tr></thead><tbody>");
  for (size_t i = 0; i < timeline.bins().size(); ++i) {
    const auto& bin = timeline.bins()[i];
    if (sum_of(bin) == 0) continue;
    html.markup("<tr><td>").text(duration(timeline.bin_ns() * static_cast<int64_t>(i)));
    for (const auto end : kEnds) html.markup("</td><td>").number(bin[static_cast<size_t>(end)]);
    html.markup("</td></tr>");
  }
  html.markup("</tbody></table></div></details>\n");
}

// Where a value is drawn, 0 to 1: the bounds take the middle half; outside, distances count by
// their logarithm, so that "one too far" and "four billion too far" fit beside each other.
class Scale {
 public:
  Scale(const Span& lower, const Span& upper)
      : low_(static_cast<double>(lower.low)),
        high_(std::max(static_cast<double>(upper.high), low_)) {}
  [[nodiscard]] double operator()(int64_t value) const {
    constexpr double kFarthest = 44.4;  // log of 2^64
    const auto number = static_cast<double>(value);
    if (number < low_) return 0.25 - 0.04 - 0.2 * std::log1p(low_ - number) / kFarthest;
    if (number > high_) return 0.75 + 0.04 + 0.2 * std::log1p(number - high_) / kFarthest;
    return high_ == low_ ? 0.5 : 0.25 + 0.5 * (number - low_) / (high_ - low_);
  }

 private:
  double low_;
  double high_;
};

struct Drawing {
  HtmlWriter& html;
  double whole;  // exceptions in the tree
  size_t frames = 0;
};

constexpr size_t kRow = 22;
constexpr size_t kColours = 7;
constexpr double kThinnest = 0.0005;

void draw_frame(Drawing& drawing, const FlameNode& node, double left, size_t level) {
  const double width = static_cast<double>(node.count) / drawing.whole;
  if (width < kThinnest) return;
  size_t colour = 0;
  for (const char byte : node.module) colour = (colour * 31 + static_cast<uint8_t>(byte)) % 9973;
  const std::string look =
      node.site != 0 ? "check"
                     : fmt::format("m{}", level == 0 ? kColours - 1 : colour % (kColours - 1));
  auto& html = drawing.html;
  html.markup(
      fmt::format("<svg class=\"frame {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
                  "data-x=\"{:.7f}\" data-w=\"{:.7f}\" data-level=\"{}\" role=\"button\" "
                  "tabindex=\"{}\" aria-label=\"",
                  look, percent(left), level * kRow, percent(width), kRow, left, width, level,
                  drawing.frames++ == 0 ? 0 : -1));
  const auto words = fmt::format(
      "{}{}, {} of {} ({:.1f} %)", node.position.empty() ? "" : node.position + ", ", node.module,
      grouped(node.count), counted(static_cast<uint64_t>(drawing.whole), "exception"), width * 100);
  html.text(node.function, 300).markup(" \xe2\x80\x94 ").text(words, 300).markup("\"><title>");
  html.text(node.function, 300).markup(" \xe2\x80\x94 ").text(words, 300).markup("</title>");
  html.markup("<rect width=\"100%\" height=\"100%\" rx=\"2\"/><text x=\"6\" y=\"15\">");
  html.text(node.function, 160);
  if (node.site != 0 && !node.position.empty()) html.markup(" \xc2\xb7 ").text(node.position, 80);
  html.markup("</text></svg>");
  for (const auto& child : node.children) {
    draw_frame(drawing, child, left, level + 1);
    left += static_cast<double>(child.count) / drawing.whole;
  }
}

void draw_list(HtmlWriter& html, const FlameNode& node, size_t& left) {
  if (left == 0) return;
  --left;
  html.markup("<li>").text(node.function, 300);
  if (!node.position.empty())
    html.markup(" <span class=\"soft\">").text(node.position, 200).markup("</span>");
  html.markup(" \xe2\x80\x94 ").number(node.count);
  if (!node.children.empty()) {
    html.markup("<ul class=\"tree\">");
    for (const auto& child : node.children) draw_list(html, child, left);
    html.markup("</ul>");
  }
  html.markup("</li>");
}

}  // namespace

void split_bar(HtmlWriter& html, const uint64_t (&by_disposition)[kDispositions], uint64_t whole,
               const char* css_class) {
  html.markup(fmt::format("<svg class=\"{}\" role=\"img\" aria-label=\"", css_class));
  html.text(ends_in_words(by_disposition)).markup("\"><title>").text(ends_in_words(by_disposition));
  html.markup(
      "</title><rect class=\"ground\" width=\"100%\" height=\"100%\" fill-opacity=\".5\"/>");
  double left = 0;
  for (const auto end : kEnds) {
    const double share = share_of(by_disposition[static_cast<size_t>(end)], whole);
    if (share == 0) continue;
    html.markup(fmt::format("<rect class=\"{}\" x=\"{}\" width=\"{}\" height=\"100%\"/>",
                            disposition_name(end), percent(left), percent(share)));
    left += share;
  }
  html.markup("</svg>");
}

void timeline(HtmlWriter& html, const Timeline& timeline) {
  const auto& bins = timeline.bins();
  uint64_t highest = 0;
  for (const auto& bin : bins) highest = std::max(highest, sum_of(bin));
  // A run of one moment would be one bar as wide as the page.
  const size_t slots = std::max<size_t>(bins.size(), 24);
  const int64_t whole = timeline.bin_ns() * static_cast<int64_t>(slots);
  html.markup("<svg class=\"plot\" role=\"img\" aria-label=\"");
  html.text(fmt::format("Exceptions over {}; at most {} within {}", duration(whole),
                        grouped(highest), duration(timeline.bin_ns())));
  html.markup("\">");
  for (size_t i = 0; i < bins.size(); ++i) {
    if (sum_of(bins[i]) == 0) continue;
    const double left = share_of(i, slots);
    const uint64_t counts[] = {bins[i][0], bins[i][1], bins[i][2]};
    html.markup("<g><title>")
        .text(fmt::format("{} after the first: {}",
                          duration(timeline.bin_ns() * static_cast<int64_t>(i)),
                          ends_in_words(counts)));
    html.markup(fmt::format("</title><rect class=\"slot\" x=\"{}\" width=\"{}\" height=\"100%\"/>",
                            percent(left), percent(share_of(1, slots))));
    double top = 1;
    for (const auto end : kEnds) {
      const double height = 0.96 * share_of(bins[i][static_cast<size_t>(end)], highest);
      if (height == 0) continue;
      const double drawn = std::max(height, 0.02);
      top -= drawn;
      html.markup(fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                              disposition_name(end), percent(left + share_of(1, slots * 10)),
                              percent(top), percent(share_of(8, slots * 10)), percent(drawn)));
    }
    html.markup("</g>");
  }
  html.markup("</svg>\n<div class=\"axis\" aria-hidden=\"true\">");
  for (int i = 0; i <= 4; ++i)
    html.markup("<span>").text(i == 0 ? "first" : "+" + duration(whole / 4 * i)).markup("</span>");
  html.markup("</div>\n");
  bins_as_table(html, timeline);
}

void index_range(HtmlWriter& html, const Site& site) {
  if (!site.index.known || site.lower.low > site.upper.high) return;
  const Scale scale(site.lower, site.upper);
  const double from = scale(site.index.low);
  const double to = scale(site.index.high);
  html.markup("<svg class=\"range\" role=\"img\" aria-label=\"")
      .text(violation(site))
      .markup("\">");
  html.markup(
      "<line class=\"ground\" x1=\"0\" x2=\"100%\" y1=\"19\" y2=\"19\"/>"
      "<rect class=\"allowed\" x=\"25%\" width=\"50%\" y=\"12\" height=\"14\"/>");
  for (const char* const edge : {"25%", "75%"}) {
    html.markup(
        fmt::format("<line class=\"edge\" x1=\"{0}\" x2=\"{0}\" y1=\"9\" y2=\"29\"/>", edge));
  }
  html.markup(
      fmt::format("<text x=\"25%\" y=\"43\" text-anchor=\"middle\">{}</text>"
                  "<text x=\"75%\" y=\"43\" text-anchor=\"middle\">{}</text>",
                  site.lower.low, site.upper.high));
  // A single value is a dot, several are a band from one dot to the other.
  html.markup(
      fmt::format("<rect class=\"seen\" x=\"{}\" width=\"{}\" y=\"16\" height=\"6\" rx=\"3\" "
                  "fill-opacity=\".35\"/>",
                  percent(from), percent(to - from)));
  html.markup(fmt::format("<circle class=\"seen\" cx=\"{}\" cy=\"19\" r=\"5\"/>", percent(from)));
  if (site.index.high != site.index.low) {
    html.markup(fmt::format("<circle class=\"seen\" cx=\"{}\" cy=\"19\" r=\"5\"/>", percent(to)));
  }
  const double middle = (from + to) / 2;
  html.markup(fmt::format(
      "<text class=\"seen-text\" x=\"{}\" y=\"10\" text-anchor=\"{}\">{}</text></svg>\n",
      percent(middle),
      middle > 0.85   ? "end"
      : middle < 0.15 ? "start"
                      : "middle",
      values(site.index)));
}

void flame_graph(HtmlWriter& html, const FlameTree& tree) {
  html.markup(
      fmt::format("<svg id=\"flame\" class=\"flame\" height=\"{}\" role=\"group\" "
                  "aria-label=\"Flame graph of the stacks\">",
                  (tree.depth + 1) * kRow));
  Drawing drawing{html, static_cast<double>(std::max<uint64_t>(tree.root.count, 1))};
  draw_frame(drawing, tree.root, 0, 0);
  html.markup(
      "</svg>\n<p id=\"flame-status\" class=\"small soft\" role=\"status\"></p>\n"
      "<p class=\"scripted\"><button id=\"flame-reset\" type=\"button\">Show all</button> "
      "<span class=\"small soft\">Click a function to zoom in; arrow keys move, Enter zooms, "
      "Escape shows all.</span></p>\n"
      "<details><summary>As a list</summary><ul class=\"tree\">");
  size_t left = 2'000;
  draw_list(html, tree.root, left);
  html.markup("</ul></details>\n");
}

}  // namespace kebound::report::html
