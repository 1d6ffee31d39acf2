// SPDX-License-Identifier: Apache-2.0
//
// The parts of the HTML report that show something: each appends one element.
#pragma once

#include <stdint.h>

#include <vector>

#include "report/flame_tree.h"
#include "report/html_writer.h"
#include "report/sites.h"
#include "report/source_text.h"
#include "report/timeline.h"

namespace kebound::report::html {

// How many of a run's sites are shown; the rest is counted. A page that a browser cannot open helps
// nobody.
inline constexpr size_t kMaxRows = 2'000;
inline constexpr size_t kMaxDetailed = 200;

// The share of each disposition as one bar; `css_class` is "split" or "bar".
void split_bar(HtmlWriter& html, const uint64_t (&by_disposition)[kDispositions], uint64_t whole,
               const char* css_class);
void timeline(HtmlWriter& html, const Timeline& timeline);
void flame_graph(HtmlWriter& html, const FlameTree& tree);
// Where the indices that were seen lie beside the bounds.
void index_range(HtmlWriter& html, const Site& site);
void site_table(HtmlWriter& html, const std::vector<const Site*>& sites, int64_t start_ns,
                const std::string& source_root);
void site_details(HtmlWriter& html, const Site& site, size_t rank, SourceText& sources,
                  const std::string& source_root);

}  // namespace kebound::report::html
