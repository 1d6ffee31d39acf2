# Nests a regular expression deeper than the stack allows: the matcher's recursion ends in libsigsegv's handler.
BEGIN {
  print deep(100000)
  fflush()
  for (i = open = 1; i < 20; ++i) open = (i == 1 ? "(" : open open)
  close_ = open
  gsub(/\(/, ")", close_)
  print length(open), length(close_)
  fflush()
  if ("x" ~ (open "x" close_)) print "matched"
  print "the stack was deep enough"
}
function deep(n) { return n == 0 ? 0 : 1 + deep(n - 1) }
