# SPDX-License-Identifier: MIT
# Words counted, sorted, joined and changed by patterns; records made into text and read again.
require 'digest'
require 'json'
random = Random.new(4)
digest = Digest::SHA256.new
ARGV[0].to_i.times do
  words = Hash.new(0)
  120_000.times { words[random.rand(36**3).to_s(36)] += 1 }
  sorted = words.sort_by { |word, count| [-count, word] }
  text = sorted.map(&:first).join(' ')
  digest << text.gsub(/([a-z])(\d)/) { "#{$2}#{$1}" }
  records = (1..6_000).map { |n| { 'id' => n, 'name' => "n#{n * 7919 % 1000}", 'list' => (0..n % 9).to_a } }
  digest << JSON.generate(JSON.parse(JSON.generate(records)).group_by { |record| record['name'] })
end
puts digest.hexdigest
