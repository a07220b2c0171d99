# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# ruby: strings, hashes, regular expressions, threads, fibers, fork, and the collector with compaction.
weight=light
packages=ruby
programs=/usr/bin/ruby

job() {
    cat >program.rb <<'END'
require 'digest'
require 'json'
require 'set'
require 'zlib'
srand(4)
words = Hash.new(0)
300_000.times { words[rand(36**3).to_s(36)] += 1 }
sorted = words.sort_by { |word, count| [-count, word] }
puts sorted.length, sorted.first(3).inspect, Digest::SHA256.hexdigest(sorted.inspect)
text = sorted.map(&:first).join(' ')
puts text.gsub(/([a-z])(\d)/) { "#{$2}#{$1}" }.scan(/\d[a-z]+/).length
data = (1..20_000).map do |n|
  { 'id' => n, 'name' => "n#{n * 7919 % 1000}", 'list' => (0..n % 7).to_a, 'rate' => n / 7.0 }
end
again = JSON.parse(JSON.generate(data))
raise unless again == data
puts Digest::SHA256.hexdigest(JSON.pretty_generate(again))
puts Zlib::Inflate.inflate(Zlib::Deflate.deflate(text, 9)) == text
threads = 8.times.map do |number|
  Thread.new { (1..20_000).map { |n| (n * number).to_s * 3 }.to_set.sum(&:length) }
end
puts threads.map(&:value).inspect
fibers = 3000.times.map { |n| Fiber.new { 3.times { |turn| Fiber.yield('x' * (n % 100) + turn.to_s) }; n } }
puts 4.times.sum { fibers.sum { |fiber| fiber.resume.to_s.length } }
GC.start
GC.compact if GC.respond_to?(:compact)
puts (2**20_000).to_s.length, (1..3000).inject(:*).to_s.sum
codes = 5.times.map do |number|
  fork do
    Array.new(50_000) { |n| "#{n}-#{number}" }.sort.hash
    exit! number
  end
end.map { |pid| Process.wait2(pid)[1].exitstatus }
puts codes.inspect
puts ObjectSpace.each_object(Class).count.positive?
exit 3
END
    ruby program.rb || echo "status $?"
    ruby -e 'raise "wrong"' 2>&1 || echo "status $?"
}
