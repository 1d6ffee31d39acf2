// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <variant>

#include "report/html_assets.h"
#include "report/html_parts.h"
#include "report/phrases.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxFlameNodes = 6'000;
constexpr size_t kMaxFlameDepth = 64;

// Whatever a hostile name might do to the page: without this number nothing in it is run.
std::string make_nonce() {
  uint64_t words[2] = {};
  if (getrandom(words, sizeof words, 0) != sizeof words) return {};
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

void head(HtmlWriter& html, const std::string& title, const std::string& nonce) {
  html.markup(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  html.markup(fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'nonce-{0}'; script-src 'nonce-{0}'; base-uri 'none'; form-action 'none'\">\n",
      nonce.empty() ? "none" : nonce));
  html.markup(
      "<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"generator\" content=\"kebound " KEBOUND_VERSION "\">\n<title>");
  html.text(title, 200);
  html.markup(fmt::format("</title>\n<style nonce=\"{}\">\n", nonce)).markup(kHtmlStyle);
  html.markup("</style>\n</head>\n");
}

std::string ending(const RunFacts& facts) {
  if (!facts.end) return "the end of the program is not in this report";
  return fmt::format("{} {}", facts.end->signaled ? "killed by signal" : "exited with status",
                     facts.end->status);
}

void page_header(HtmlWriter& html, const RunFacts& facts, const std::vector<std::string>& command) {
  html.markup(
      "<header>\n<p class=\"kicker\">kebound report</p>\n"
      "<button id=\"theme\" type=\"button\" class=\"scripted\">Dark</button>\n<h1>");
  html.text(facts.program.empty() ? "unknown program" : base_name(facts.program), 300)
      .markup("</h1>\n");
  if (!command.empty()) {
    html.markup("<p class=\"command\"><code>")
        .text(shell_line(command), 1'000)
        .markup("</code></p>\n");
  }
  html.markup("<p class=\"meta\">");
  if (facts.first_ns != 0) {
    html.markup("<span>").text(utc_time(facts.first_ns, 0)).markup("</span><span>");
    html.text(duration(facts.last_ns - facts.first_ns)).markup("</span>");
  }
  if (facts.processes != 0) {
    html.markup(facts.is_64bit ? "<span>64-bit</span>" : "<span>32-bit</span>");
  }
  html.markup("<span>").text(ending(facts)).markup("</span>");
  for (const auto& driver : facts.drivers) {
    html.markup("<span>driver ").text(driver, 100).markup("</span>");
  }
  html.markup("</p>\n</header>\n");
}

void tiles(HtmlWriter& html, const Totals& totals, const std::vector<const Site*>& sites,
           const RunFacts& facts) {
  const uint64_t ends[] = {totals.handled, totals.propagated, totals.terminated};
  html.markup("<section class=\"tiles\" aria-label=\"Summary\">\n<div class=\"tile\"><b>");
  html.number(totals.exceptions).markup("</b><span>bound exception");
  html.markup(totals.exceptions == 1 ? "" : "s").markup("</span>");
  html::split_bar(html, ends, totals.exceptions, "split");
  html.markup("<ul class=\"legend\">");
  static constexpr const char* kNames[] = {"handled", "propagated", "terminated"};
  for (size_t i = 0; i < 3; ++i) {
    html.markup(fmt::format("<li><span class=\"dot {0}\"></span>{1} {0}</li>", kNames[i],
                            grouped(ends[i])));
  }
  html.markup("</ul></div>\n");
  const auto tile = [&](uint64_t count, const char* one, const char* many) {
    html.markup("<div class=\"tile\"><b>").number(count).markup("</b><span>");
    html.markup(count == 1 ? one : many).markup("</span></div>\n");
  };
  uint64_t stacks = 0;
  for (const Site* const site : sites) stacks += site->stacks.size();
  tile(sites.size(), "site: a check that failed", "sites: checks that failed");
  tile(stacks, "stack that led there", "stacks that led there");
  if (totals.missing != 0) {
    tile(totals.missing, "event missing", "events missing");
  } else if (totals.verifier != 0) {
    tile(totals.verifier, "remark of the verifier", "remarks of the verifier");
  } else {
    tile(facts.processes, "program started", "programs started");
  }
  html.markup("</section>\n");
}

void notes(HtmlWriter& html, const RunFacts& facts) {
  for (const auto& note : facts.notes) {
    if (!note.is_bug_check) continue;
    html.markup("<section class=\"card alarm\"><h2>Bug check ").text(note.rule).markup("</h2><p>");
    html.text(note.message).markup("</p><p class=\"soft small\">driver ");
    html.text(note.driver.empty() ? "unknown" : note.driver).markup(", callback ");
    html.text(note.callback.empty() ? "none" : note.callback).markup("</p></section>\n");
  }
  const auto is_remark = [](const Note& note) { return !note.is_bug_check; };
  if (std::none_of(facts.notes.begin(), facts.notes.end(), is_remark)) return;
  html.markup(
      "<section class=\"card warn\" aria-labelledby=\"h-notes\"><h2 id=\"h-notes\">Verifier</h2>"
      "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Rule</th><th "
      "scope=\"col\">What</th>"
      "<th scope=\"col\">Driver</th></tr></thead><tbody>\n");
  for (const auto& note : facts.notes) {
    if (note.is_bug_check) continue;
    html.markup("<tr><td class=\"mono\">").text(note.rule, 200).markup("</td><td>");
    html.text(note.message, 1'000)
        .markup("</td><td>")
        .text(note.driver, 200)
        .markup("</td></tr>\n");
  }
  html.markup("</tbody></table></div>");
  if (facts.notes_left_out != 0) {
    html.markup("<p class=\"soft\">and ")
        .text(counted(facts.notes_left_out, "other"))
        .markup("</p>");
  }
  html.markup("</section>\n");
}

void driver_output(HtmlWriter& html, const RunFacts& facts) {
  if (facts.driver_lines.empty()) return;
  html.markup(
      "<section class=\"card\" aria-labelledby=\"h-output\"><h2 id=\"h-output\">Output of the "
      "drivers</h2>\n"
      "<pre class=\"plain\" tabindex=\"0\" role=\"region\" aria-label=\"Output of the drivers\">");
  for (const auto& line : facts.driver_lines) {
    std::string_view text = line.text;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    html.markup("[").text(line.driver, 100).markup("] ").text(text).markup("\n");
  }
  if (facts.driver_lines_left_out != 0) {
    html.markup("and ").text(counted(facts.driver_lines_left_out, "other")).markup("\n");
  }
  html.markup("</pre></section>\n");
}

void flame_section(HtmlWriter& html, const std::vector<const Site*>& sites, const RunFacts& facts) {
  auto tree = make_flame_tree(sites, kMaxFlameNodes, kMaxFlameDepth);
  if (tree.depth == 0) return;
  tree.root.function = "all stacks";
  tree.root.module = std::string(base_name(facts.program));
  html.markup(
      "<section class=\"card\" aria-labelledby=\"h-flame\"><h2 id=\"h-flame\">Stacks</h2>\n"
      "<p class=\"small soft\">Outermost function on top, the failed check below; as wide as its "
      "share of the "
      "exceptions.");
  if (tree.borrowed != 0) {
    html.markup(" ").text(counted(tree.borrowed, "exception"));
    html.markup(
        " without a stack of their own are drawn with the first stack of their site "
        "(<code>--backtraces all</code> records every one).");
  }
  if (tree.without_stack != 0) {
    html.markup(" ")
        .text(counted(tree.without_stack, "exception"))
        .markup(" of sites without any stack are left out.");
  }
  html.markup("</p>\n");
  html::flame_graph(html, tree);
  html.markup("</section>\n");
}

}  // namespace

void HtmlRenderer::render(const events::Record& record, std::string&) {
  facts_.add(record);
  if (const auto* exception = std::get_if<events::BoundException>(&record)) {
    sites_.add(*exception, true);
  }
}

void HtmlRenderer::finish(const Totals& totals, int64_t, std::string& out) {
  HtmlWriter html(out);
  SourceText sources;
  const auto nonce = make_nonce();
  const auto sites = sites_.by_count();
  const int64_t start = facts_.timeline.start_ns();
  const auto name =
      facts_.program.empty() ? std::string("kebound") : std::string(base_name(facts_.program));
  head(html,
       fmt::format("{}: {} \xe2\x80\x93 kebound", name,
                   counted(totals.exceptions, "bound exception")),
       nonce);
  html.markup("<body>\n<a class=\"skip\" href=\"#sites\">Skip to the sites</a>\n");
  page_header(html, facts_, options_.command);
  html.markup("<main>\n");
  tiles(html, totals, sites, facts_);
  notes(html, facts_);
  if (!sites.empty()) {
    html.markup(
        "<section class=\"card\" aria-labelledby=\"h-time\"><h2 id=\"h-time\">Timeline</h2>\n");
    html::timeline(html, facts_.timeline);
    html.markup(
        "</section>\n<section class=\"card\" id=\"sites\" aria-labelledby=\"h-sites\"><h2 "
        "id=\"h-sites\">Sites</h2>\n");
    html::site_table(html, sites, start, options_.source_root);
    if (sites_.elsewhere() != 0) {
      html.markup("<p class=\"soft\">")
          .text(counted(sites_.elsewhere(), "exception"))
          .markup(" elsewhere</p>\n");
    }
    html.markup("</section>\n");
    flame_section(html, sites, facts_);
    html.markup("<section aria-label=\"Each site\">\n");
    for (size_t i = 0; i < std::min(sites.size(), html::kMaxDetailed); ++i) {
      html::site_details(html, *sites[i], i + 1, sources, options_.source_root);
    }
    html.markup("</section>\n");
  } else {
    html.markup(
        "<section class=\"card\" id=\"sites\"><h2>No check failed</h2><p class=\"soft\">Every "
        "bounds check that this run came "
        "to held.</p></section>\n");
  }
  driver_output(html, facts_);
  html.markup("</main>\n<footer>Made by kebound " KEBOUND_VERSION
              ". This page is complete in itself: it loads nothing.</footer>\n");
  html.markup(fmt::format("<script nonce=\"{}\">\n", nonce))
      .markup(kHtmlScript)
      .markup("</script>\n</body>\n</html>\n");
}

}  // namespace kebound::report
