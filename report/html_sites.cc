// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>

#include "report/check_rules.h"
#include "report/disassembler.h"
#include "report/html_parts.h"
#include "report/names.h"
#include "report/phrases.h"
#include "report/uris.h"

namespace kebound::report::html {
namespace {

using events::Disposition;

constexpr uint32_t kLinesAround = 6;
constexpr size_t kMaxStacksShown = 8;

// "guest.c:14" by its path below the source root, or in full.
std::string position(const SourceFrame& frame, const std::string& source_root) {
  if (frame.file.empty()) return {};
  auto path = normalized(frame.file);
  const auto root = source_root.empty() ? std::string() : normalized(source_root) + "/";
  if (!root.empty() && path.starts_with(root)) path.erase(0, root.size());
  return frame.line == 0 ? path : fmt::format("{}:{}", path, frame.line);
}

std::string title_of(const Site& site) {
  if (!site.location.frames.empty()) return called(site.location.frames[0]);
  const auto module = module_offset(site.location);
  return module.empty() ? fmt::format("0x{:x}", site.first.event.ip) : module;
}

void badges(HtmlWriter& html, const Site& site) {
  for (const auto end : {Disposition::Handled, Disposition::Propagated, Disposition::Terminated}) {
    if (site.of(end) == 0) continue;
    html.markup(fmt::format(" <span class=\"badge {}\">", disposition_name(end)));
    html.number(site.of(end)).markup(" ").markup(disposition_name(end)).markup("</span>");
  }
}

void excerpt(HtmlWriter& html, const SourceFrame& frame, SourceText& sources,
             const std::string& source_root) {
  const auto lines = sources.around(frame.file, frame.line, kLinesAround);
  html.markup("<h4>Source</h4>\n");
  if (lines.empty()) {
    html.markup("<p class=\"soft small\">").text(position(frame, source_root), 300);
    html.markup(" is not to be had where this report was made.</p>\n");
    return;
  }
  html.markup("<pre class=\"src\" tabindex=\"0\" role=\"region\" aria-label=\"Source of ");
  html.text(position(frame, source_root), 300).markup("\">");
  for (const auto& line : lines) {
    const bool is_hit = line.number == frame.line;
    html.markup(is_hit ? "<span class=\"l hit\"><span class=\"n\">"
                       : "<span class=\"l\"><span class=\"n\">");
    html.markup(fmt::format("{}</span>", line.number));
    if (is_hit) html.markup("<span class=\"unseen\">the failed check: </span>");
    // Tabs would be shown as \x09.
    std::string_view text = line.text;
    while (!text.empty()) {
      const size_t tab = text.find('\t');
      html.text(text.substr(0, tab));
      if (tab == std::string_view::npos) break;
      html.markup("\t");
      text.remove_prefix(tab + 1);
    }
    html.markup("\n</span>");
  }
  html.markup("</pre>\n");
}

void instruction(HtmlWriter& html, const events::BoundException& exception) {
  const auto code =
      disassemble(exception.code, std::min<size_t>(exception.code_size, sizeof exception.code),
                  exception.event.ip, is_64bit_code(exception), false);
  if (code.text.empty()) return;
  html.markup("<dt>Instruction</dt><dd class=\"mono\">").text(code.text, 200).markup("</dd>");
}

void list(HtmlWriter& html, const char* term, const std::vector<CountedText>& texts) {
  if (texts.empty()) return;
  html.markup("<dt>").markup(term).markup("</dt><dd>");
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) html.markup("<br>");
    html.text(texts[i].text, 400);
    if (texts[i].count > 1)
      html.markup(" <span class=\"soft\">\xc3\x97 ").number(texts[i].count).markup("</span>");
  }
  html.markup("</dd>");
}

void facts(HtmlWriter& html, const Site& site) {
  const auto& event = site.first.event;
  const auto rule = check_rule(event.source, event.check);
  html.markup("<dl><dt>Check</dt><dd>").text(rule.id).markup("</dd>");
  if (site.index.known) {
    html.markup("<dt>")
        .markup(event.check == CheckKind::BufferSize ? "Size" : "Index")
        .markup("</dt><dd>");
    html.text(values(site.index));
    const char* const name = index_register_name(event);
    if (*name != '\0') html.markup(" <span class=\"soft\">in ").markup(name).markup("</span>");
    html.markup("</dd><dt>Bounds</dt><dd>[")
        .text(values(site.lower))
        .markup(", ")
        .text(values(site.upper))
        .markup("]");
    if (site.uncertain != 0) html.markup(" <span class=\"badge\">likely</span>");
    html.markup("</dd>");
  } else if (event.doubt != Doubt::None) {
    html.markup("<dt>Index</dt><dd>not known: ").text(doubt_text(event.doubt)).markup("</dd>");
  }
  list(html, "Message", site.details);
  if (!event.resumable) {
    html.markup("<dt>Resumable</dt><dd>no");
    if (site.index.known && event.doubt != Doubt::None)
      html.markup(": ").text(doubt_text(event.doubt));
    html.markup("</dd>");
  }
  html.markup("<dt>First answer</dt><dd>");
  if (site.first.answers.empty()) html.markup("no callback was asked");
  for (size_t i = 0; i < site.first.answers.size(); ++i) {
    const auto& answer = site.first.answers[i];
    if (i != 0) html.markup("<br>");
    const auto& who = answer.callback ? answer.callback : answer.driver;
    if (who) html.text(*who, 200);
    html.markup(" \xe2\x86\x92 ").text(answer_name(answer.status));
  }
  html.markup("<br><span class=\"soft\">").text(outcome(site.first), 600).markup("</span></dd>");
  list(html, "Reason", site.reasons);
  instruction(html, site.first);
  html.markup("<dt>Address</dt><dd class=\"mono\">").text(fmt::format("0x{:x}", event.ip));
  if (const auto module = module_offset(site.location); !module.empty())
    html.markup(" ").text(module, 200);
  html.markup("</dd>");
  list(html, "Program", site.programs);
  html.markup("<dt>Seen</dt><dd>").text(utc_time(site.first_ns));
  if (site.last_ns != site.first_ns) html.markup("<br>to ").text(utc_time(site.last_ns));
  html.markup("</dd></dl>\n");
}

void stack_items(HtmlWriter& html, const std::vector<StackFrame>& frames,
                 const std::string& source_root) {
  html.markup("<ol class=\"stack\">");
  const auto item = [&](const StackFrame& frame, const SourceFrame* function) {
    html.markup("<li>");
    if (function != nullptr) html.text(called(*function), 400).markup(" ");
    html.markup("<span class=\"soft\">");
    if (function != nullptr && !function->file.empty())
      html.text(position(*function, source_root), 400).markup(" ");
    const auto module = module_offset(frame.location);
    if (function != nullptr && function->inlined) {
      html.markup("inlined");
    } else if (!module.empty()) {
      html.text(module, 200);
    } else {
      html.text(fmt::format("0x{:x}", frame.pc));
    }
    html.markup("</span></li>");
  };
  for (const auto& frame : frames) {
    if (frame.location.frames.empty()) item(frame, nullptr);
    for (const auto& function : frame.location.frames) item(frame, &function);
  }
  html.markup("</ol>");
}

void stacks(HtmlWriter& html, const Site& site, const std::string& source_root) {
  if (site.stacks.empty()) return;
  const size_t shown = std::min(site.stacks.size(), kMaxStacksShown);
  html.markup("<h4>")
      .text(site.stacks.size() == 1 ? "Stack" : counted(site.stacks.size(), "stack"))
      .markup("</h4>\n");
  for (size_t i = 0; i < shown; ++i) {
    const auto& stack = site.stacks[i];
    html.markup(i == 0 ? "<details open>" : "<details>").markup("<summary>recorded ");
    html.text(counted(stack.count, "time")).markup("</summary>");
    stack_items(html, stack.frames, source_root);
    html.markup("</details>\n");
  }
  if (shown < site.stacks.size()) {
    html.markup("<p class=\"small soft\">and ")
        .text(counted(site.stacks.size() - shown, "other stack"))
        .markup("</p>\n");
  }
}

}  // namespace

void site_table(HtmlWriter& html, const std::vector<const Site*>& sites, int64_t start_ns,
                const std::string& source_root) {
  html.markup(
      "<div class=\"tools scripted\"><label for=\"filter\" class=\"unseen\">Filter the "
      "sites</label>"
      "<input id=\"filter\" type=\"search\" placeholder=\"Filter: function, file, check\">"
      "<span id=\"ends\" role=\"group\" aria-label=\"Only sites that were\">"
      "<button type=\"button\" data-end=\"\" aria-pressed=\"true\">all</button> "
      "<button type=\"button\" data-end=\"handled\" aria-pressed=\"false\">handled</button> "
      "<button type=\"button\" data-end=\"propagated\" aria-pressed=\"false\">propagated</button> "
      "<button type=\"button\" data-end=\"terminated\" "
      "aria-pressed=\"false\">terminated</button></span>"
      "<span id=\"filter-status\" class=\"small soft\" role=\"status\"></span></div>\n"
      "<div class=\"scroll\"><table id=\"site-table\"><thead><tr><th scope=\"col\">#</th>"
      "<th scope=\"col\"><button type=\"button\" data-key=\"name\">Site</button></th>"
      "<th scope=\"col\">Index</th><th scope=\"col\">Bounds</th><th scope=\"col\">Outcome</th>"
      "<th scope=\"col\" class=\"num\"><button type=\"button\" "
      "data-key=\"first\">First</button></th>"
      "<th scope=\"col\" class=\"num\" aria-sort=\"descending\"><button type=\"button\" "
      "data-key=\"count\">"
      "Exceptions</button></th></tr></thead><tbody>\n");
  const uint64_t most = sites.empty() ? 0 : sites[0]->count;
  for (size_t i = 0; i < std::min(sites.size(), kMaxRows); ++i) {
    const Site& site = *sites[i];
    html.markup(fmt::format("<tr data-count=\"{}\" data-first=\"{}\"", site.count,
                            site.first_ns - start_ns));
    for (const auto end :
         {Disposition::Handled, Disposition::Propagated, Disposition::Terminated}) {
      html.markup(fmt::format(" data-{}=\"{}\"", disposition_name(end), site.of(end)));
    }
    html.markup(fmt::format("><td class=\"soft\">{}</td><td>", i + 1));
    if (i < kMaxDetailed)
      html.markup(fmt::format("<a class=\"site-name\" href=\"#site-{}\">", site.number + 1));
    html.text(title_of(site), 300).markup(i < kMaxDetailed ? "</a>" : "");
    html.markup("<div class=\"small soft\">");
    if (!site.location.frames.empty())
      html.text(position(site.location.frames[0], source_root), 300).markup(" \xc2\xb7 ");
    html.text(check_rule(site.first.event.source, site.first.event.check).id)
        .markup("</div></td><td>");
    html.text(site.index.known ? values(site.index) : "not known").markup("</td><td>");
    if (site.index.known)
      html.markup("[").text(values(site.lower)).markup(", ").text(values(site.upper)).markup("]");
    html.markup("</td><td>");
    badges(html, site);
    html.markup("</td><td class=\"num\">+").text(duration(site.first_ns - start_ns));
    html.markup("</td><td class=\"num\">").number(site.count);
    split_bar(html, site.by_disposition, most, "bar");
    html.markup("</td></tr>\n");
  }
  html.markup("</tbody></table></div>\n");
  if (sites.size() > kMaxRows) {
    html.markup("<p class=\"soft\">and ")
        .text(counted(sites.size() - kMaxRows, "site"))
        .markup(" with fewer exceptions</p>\n");
  }
}

void site_details(HtmlWriter& html, const Site& site, size_t rank, SourceText& sources,
                  const std::string& source_root) {
  html.markup(
      fmt::format("<article class=\"card\" id=\"site-{0}\" aria-labelledby=\"site-{0}-name\">"
                  "<div class=\"site-head\"><h3 id=\"site-{0}-name\">{1}. ",
                  site.number + 1, rank));
  html.text(title_of(site), 600);
  if (!site.location.frames.empty()) {
    if (const auto at = position(site.location.frames[0], source_root); !at.empty()) {
      html.markup(" <span class=\"soft\">").text(at, 400).markup("</span>");
    }
  }
  html.markup("</h3><span>");
  badges(html, site);
  html.markup("</span></div>\n<p class=\"sentence\">").text(counted(site.count, "exception"));
  html.markup(": ").text(violation(site)).markup("</p>\n<div class=\"cols\"><div>\n");
  index_range(html, site);
  if (!site.location.frames.empty() && !site.location.frames[0].file.empty()) {
    excerpt(html, site.location.frames[0], sources, source_root);
  }
  stacks(html, site, source_root);
  html.markup("</div><div>\n");
  facts(html, site);
  html.markup("</div></div></article>\n");
}

}  // namespace kebound::report::html
